%% Trees as data turned into supervisors: child specs, the start function of every child, `supervisor`'s callback.
-module(oracle_tree).
-behaviour(supervisor).
-export([start/2, start/3, spec/2, reason/1, init/1]).

-define(OURS, [worker, supervisor, label, first]).

%% A child's start function, called in its supervisor.
start(Collector, #{label := Label} = Child) ->
    How = gen_server:call(Collector, {starting, Label}, infinity),
    Result = start_as(How, Collector, Child),
    gen_server:call(Collector, {began, Label, told(Result)}, infinity),
    case Result of
        raise -> error(raised);
        _ -> Result
    end;
start(Collector, #{id := Id} = Child) ->
    start(Collector, Child#{label => Id}).

%% The same for a child of a simple_one_for_one supervisor, whose label is the argument added by start_child.
start(Collector, Child, Label) ->
    start(Collector, Child#{label => Label}).

told(raise) -> {error, raised};
told(garbage) -> {error, garbage};
told(Result) -> Result.

start_as(garbage, _, _) -> garbage;
start_as(raise, _, _) -> raise;
start_as(extra, Collector, Child) ->
    case start_as(ok, Collector, Child) of
        {ok, Pid} -> {ok, Pid, extra};
        Other -> Other
    end;
start_as(fail, _, #{supervisor := _}) -> {error, failed};
start_as(How, Collector, #{supervisor := Supervisor, label := Label}) ->
    supervisor:start_link(?MODULE, {Collector, Label, How, Supervisor});
start_as(How, Collector, Child) ->
    gen_server:start_link(oracle_worker, {Collector, How, maps:get(worker, Child, #{})}, []).

%% `supervisor`'s callback, called in the new supervisor.
init({Collector, Label, How, Supervisor}) ->
    put(oracle_collector, Collector),
    ok = gen_server:call(Collector, {entered, Label}),
    case How of
        ignore -> ignore;
        init_raises -> error(raised);
        init_exits -> exit(exited);
        init_returns_garbage -> garbage;
        ok -> {ok, {maps:get(flags, Supervisor), specs(Collector, maps:get(children, Supervisor))}}
    end.

specs(Collector, Children) -> [spec(Collector, Child) || Child <- Children].

%% A child spec: what was given is passed on as it is, right or wrong.
spec(_Collector, #{raw := Raw}) -> Raw;
spec(_Collector, #{start := missing} = Child) -> maps:without([start | ?OURS], Child);
spec(_Collector, #{start := _} = Child) -> maps:without(?OURS, Child);
spec(Collector, #{supervisor := _} = Child) -> maps:merge(#{type => supervisor}, made(Collector, Child));
spec(Collector, Child) -> made(Collector, Child).

made(Collector, Child) ->
    Spec = maps:without(?OURS, Child),
    Spec#{start => {?MODULE, start, [Collector, Child]}}.

%% A reason as data turned into a term: a list is a tuple, a text is a string.
reason(List) when is_list(List) -> list_to_tuple([reason(Item) || Item <- List]);
reason(#{text := Text}) -> atom_to_list(Text);
reason(Plain) -> Plain.
