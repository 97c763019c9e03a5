%% Erlang's own gen_server and supervisor, timed as our peers time ours. Compiled when it is wanted.
%%
%%   erl -noshell -pa DIR -run erlang_peer main WHAT ARGUMENT...
%%
%% prints one JSON object. WHAT: about; processes COUNT; restarts COUNT SIBLINGS LOGGED; hosts COUNT;
%% supervisors KIND COUNT.
-module(erlang_peer).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2, log/2, start_child/1, start_host/1]).

main([What | Arguments]) ->
    process_flag(trap_exit, true),
    logger:set_primary_config(level, none),
    Figures = run(What, [whole(Argument) || Argument <- Arguments]),
    Pairs = [io_lib:format("\"~s\": ~s", [Key, json(Value)]) || {Key, Value} <- Figures],
    io:format("{~s}~n", [lists:join(", ", Pairs)]),
    halt(0).

run("about", []) ->
    [{otp, erlang:system_info(otp_release)}, {emulator, atom_to_list(erlang:system_info(emu_flavor))},
     {schedulers, erlang:system_info(schedulers_online)}];
run("processes", [Count]) ->
    Live = 5 * Count,
    Before = memory(),
    Pids = [begin {ok, Pid} = gen_server:start(?MODULE, echo, []), Pid end || _ <- lists:seq(1, Live)],
    Bytes = (memory() - Before) / Live,
    [exit(Pid, kill) || Pid <- Pids],
    {ok, Echo} = gen_server:start(?MODULE, echo, []),
    repeat(1000, fun() -> gen_server:call(Echo, 1) end),
    Call = timed(Count, fun() -> repeat(Count, fun() -> gen_server:call(Echo, 1, 5000) end) end),
    Cast = timed(Count, fun() ->
        repeat(Count, fun() -> gen_server:cast(Echo, more) end),
        gen_server:cast(Echo, {told, self()}),
        receive {count, Count} -> ok end
    end),
    Link = timed(Count, fun() -> repeat(Count, fun() ->
        link(Echo), Ref = monitor(process, Echo), demonitor(Ref, [flush]), unlink(Echo)
    end) end),
    Cycle = timed(Count, fun() -> repeat(Count, fun() ->
        {ok, {Pid, Ref}} = gen_server:start_monitor(?MODULE, short, []),
        receive {'DOWN', Ref, process, Pid, _} -> ok end
    end) end),
    Start = timed(Count, fun() -> repeat(Count, fun() ->
        {ok, _} = gen_server:start_monitor(?MODULE, echo, [{timeout, 5000}])
    end) end),
    [{call_us, Call}, {cast_us, Cast}, {link_us, Link}, {cycle_us, Cycle}, {start_us, Start},
     {bytes, Bytes}, {live, Live}];
run("restarts", [Count, Siblings, Logged]) ->
    reporting(Logged),
    Specs = [child(Id, self()) || Id <- lists:seq(1, 100)] ++ [child(-Id, none) || Id <- lists:seq(1, Siblings)],
    {ok, Sup} = supervisor:start_link(?MODULE, {tree, #{intensity => 100000000, period => 1}, Specs}),
    Pids = [receive {up, Pid} -> Pid end || _ <- lists:seq(1, 100)],
    {_, Warm} = back(Count div 5, hd(Pids), []),
    {Times, Last} = back(Count, Warm, []),
    Begun = now_us(),
    [gen_server:cast(Pid, crash) || Pid <- [Last | tl(Pids)]],
    sustained(Count - 100),
    repeat(100, fun() -> receive {up, _} -> ok end end),
    Spent = now_us() - Begun,
    stop(Sup),
    [{process_us, at(Times, 0.5)}, {process_p99_us, at(Times, 0.99)}, {per_second, Count / Spent * 1.0e6},
     {restarts, Count}];
run("hosts", [Count]) ->
    Spec = #{id => host, start => {?MODULE, start_host, [self()]}},
    {ok, Sup} = supervisor:start_link(?MODULE, {tree, #{intensity => 100000000, period => 1}, [Spec]}),
    Host = receive {up, First} -> First end,
    {Times, _} = host_back(Count, Host, []),
    stop(Sup),
    [{host_ms, at(Times, 0.5) / 1000}, {host_p99_ms, at(Times, 0.99) / 1000}, {kills, Count}];
run("supervisors", [Kind, Count]) ->
    Before = memory(),
    {Sup, Started} = spent(fun() -> many(Kind, Count) end),
    After = memory(),
    Count = proplists:get_value(active, supervisor:count_children(Sup)),
    {ok, Stopped} = spent(fun() -> stop(Sup) end),
    Again = [begin
        {Next, Start} = spent(fun() -> many(Kind, Count) end),
        {ok, Stop} = spent(fun() -> stop(Next) end),
        {Start, Stop}
    end || _ <- lists:seq(1, min(50, 20000 div Count))],
    {Starts, Stops} = lists:unzip([{Started, Stopped} | Again]),
    [{start_ms, at(lists:sort(Starts), 0.5)}, {stop_ms, at(lists:sort(Stops), 0.5)},
     {bytes, (After - Before) / Count}, {children, Count}].

many("static", Count) ->
    Specs = [child(Id, none) || Id <- lists:seq(1, Count)],
    {ok, Sup} = supervisor:start_link(?MODULE, {tree, #{}, Specs}),
    Sup;
many("added", Count) ->
    {ok, Sup} = supervisor:start_link(?MODULE, {tree, #{}, []}),
    [{ok, _} = supervisor:start_child(Sup, child(Id, none)) || Id <- lists:seq(1, Count)],
    Sup;
many("on_demand", Count) ->
    {ok, Sup} = supervisor:start_link(?MODULE, {tree, #{strategy => simple_one_for_one}, [child(idle, none)]}),
    repeat(Count, fun() -> {ok, _} = supervisor:start_child(Sup, []) end),
    Sup.

child(Id, Told) -> #{id => Id, start => {?MODULE, start_child, [Told]}}.

start_child(Told) -> gen_server:start_link(?MODULE, {told, Told}, []).

start_host(Told) ->
    {ok, Host, _} = peer:start_link(#{connection => standard_io, args => ["-boot", "no_dot_erlang"]}),
    Told ! {up, Host},
    {ok, Host}.

back(0, Pid, Times) -> {lists:sort(Times), Pid};
back(Count, Pid, Times) ->
    Begun = now_us(),
    gen_server:cast(Pid, crash),
    receive {up, Next} -> ok end,
    1 = gen_server:call(Next, 1),
    back(Count - 1, Next, [now_us() - Begun | Times]).

host_back(0, Host, Times) -> {lists:sort(Times), Host};
host_back(Count, Host, Times) ->
    OsPid = peer:call(Host, os, getpid, []),
    Begun = now_us(),
    os:cmd("kill -9 " ++ OsPid),
    receive {up, Next} -> ok end,
    1 = peer:call(Next, erlang, abs, [1]),
    host_back(Count - 1, Next, [now_us() - Begun | Times]).

sustained(0) -> ok;
sustained(Left) ->
    receive {up, Pid} -> gen_server:cast(Pid, crash) end,
    sustained(Left - 1).

stop(Sup) ->
    exit(Sup, shutdown),
    receive {'EXIT', Sup, _} -> ok end.

%% Reports are formatted by the process that makes them, and dropped.
reporting(0) -> ok;
reporting(1) ->
    logger:set_primary_config(level, notice),
    logger:remove_handler(default),
    ok = logger:add_handler(dropping, ?MODULE, #{formatter => {logger_formatter, #{}}}).

log(Event, #{formatter := {Formatter, Config}}) ->
    _ = iolist_size(Formatter:format(Event, Config)),
    ok.

init({tree, Flags, Specs}) -> {ok, {Flags, Specs}};
init({told, none}) -> {ok, 0};
init({told, Told}) -> Told ! {up, self()}, {ok, 0};
init(short) -> gen_server:cast(self(), finish), {ok, 0};
init(echo) -> {ok, 0}.

handle_call(Request, _, State) -> {reply, Request, State}.

handle_cast(more, State) -> {noreply, State + 1};
handle_cast({told, Told}, State) -> Told ! {count, State}, {noreply, 0};
handle_cast(finish, State) -> {stop, normal, State};
handle_cast(crash, _) -> error(crash).

handle_info(_, State) -> {noreply, State}.

timed(Count, Work) ->
    Begun = now_us(),
    Work(),
    (now_us() - Begun) / Count.

spent(Work) ->
    Begun = now_us(),
    Result = Work(),
    {Result, (now_us() - Begun) / 1000}.

now_us() -> erlang:convert_time_unit(erlang:monotonic_time(), native, nanosecond) / 1000.

memory() ->
    [garbage_collect(Pid) || Pid <- processes()],
    erlang:memory(total).

at(Sorted, Share) -> lists:nth(min(length(Sorted), trunc(length(Sorted) * Share) + 1), Sorted).

repeat(0, _) -> ok;
repeat(Count, Work) -> Work(), repeat(Count - 1, Work).

whole(Argument) ->
    case string:to_integer(Argument) of
        {Number, []} -> Number;
        _ -> Argument
    end.

json(Value) when is_list(Value) -> ["\"", Value, "\""];
json(Value) when is_integer(Value) -> integer_to_list(Value);
json(Value) -> io_lib:format("~.3f", [Value]).
