/* Preloaded into nodes by the tests: the wall clock can be set, and the disk under roger.db be full.
   What is to happen stands in a file that the tests write to and that is mapped here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct hurt {
    volatile long seconds;  /* added to the wall clock */
    volatile long disk_full;
};

static struct hurt *hurt;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("ROGER_FAULT_SHIM");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *map = mmap(NULL, sizeof(struct hurt), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED) hurt = map;
}

static int is_full(int file) {
    char link[40], path[4096];
    if (!hurt || !hurt->disk_full) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return strstr(path, "/roger.db") != NULL;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *now) {
    static __typeof__(&clock_gettime) real;
    if (!real) real = REAL(clock_gettime);
    int result = real(clock, now);
    if (!result && clock == CLOCK_REALTIME && hurt) now->tv_sec += hurt->seconds;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    int result = real(now, zone);
    if (!result && hurt) now->tv_sec += hurt->seconds;
    return result;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}

#define FAILS_WHEN_FULL(name, arguments, passed)                 \
    ssize_t name arguments {                                     \
        static ssize_t(*real) arguments;                         \
        if (!real) real = (ssize_t(*) arguments)dlsym(RTLD_NEXT, #name); \
        if (is_full(file)) {                                     \
            errno = ENOSPC;                                      \
            return -1;                                           \
        }                                                        \
        return real passed;                                      \
    }

FAILS_WHEN_FULL(write, (int file, const void *data, size_t size), (file, data, size))
FAILS_WHEN_FULL(pwrite, (int file, const void *data, size_t size, off_t where), (file, data, size, where))
FAILS_WHEN_FULL(pwrite64, (int file, const void *data, size_t size, off64_t where), (file, data, size, where))
