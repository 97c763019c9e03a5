"""Seeded faults: break the deciding code, one fault at a time, and want its line's test red."""
