%% Plays scenarios on the real `supervisor`: one term per line in, one trace per line out, until the input ends.
%%
%% A scenario is `#{root, steps}` as `tests/oracle/scenario.py` describes it. Its trace is JSON: for each
%% step what happened, what was answered, and what every living supervisor says of its children.
%%
%% Nothing here waits for time: a step is over when every process has answered a request that was made after
%% the last thing that happened (`settle`).
-module(oracle).
-export([main/0, log/2]).

%% Seconds after which a process that should answer counts as stuck: a fault of the scenario.
-define(LIMIT, 20000).

main() ->
    logger:remove_handler(default),
    logger:set_primary_config(level, info),
    ok = logger:add_handler(oracle, ?MODULE, #{}),
    io:setopts([{encoding, latin1}]),
    loop().

loop() ->
    case io:read('') of
        {ok, Scenario} ->
            {Pid, Ref} = spawn_monitor(fun() -> exit({played, play(Scenario)}) end),
            receive
                {'DOWN', Ref, process, Pid, {played, Trace}} ->
                    io:put_chars([oracle_json:text(Trace), $\n]);
                {'DOWN', Ref, process, Pid, Why} ->
                    Text = unicode:characters_to_binary(io_lib:format("~0p", [Why])),
                    io:put_chars([oracle_json:text(#{failed => Text}), $\n])
            end,
            loop();
        eof ->
            halt()
    end.

%% A logger handler, called in the process that logs: a supervisor's report becomes an event.
log(#{msg := {report, #{label := {supervisor, Kind}, report := Report}}}, _Config) ->
    case get(oracle_collector) of
        undefined -> ok;
        Collector -> gen_server:cast(Collector, {report, Kind, self(), Report})
    end;
log(_Event, _Config) ->
    ok.

%% ------------------------------------------------------------------------------------------------- playing

play(#{root := Root, steps := Steps}) ->
    {ok, Collector} = gen_server:start(oracle_collector, self(), []),
    Parent = spawn(fun parent/0),
    put(collector, Collector),
    put(parent, Parent),
    put(callers, []),
    put(answered, []),
    try
        [step(Step) || Step <- [#{do => start, root => Root} | Steps]]
    after
        cleanup(Collector, Parent)
    end.

cleanup(Collector, Parent) ->
    #{alive := Alive} = gen_server:call(Collector, snapshot),
    [exit(Pid, kill) || Pid <- [Parent | Alive]],
    gen_server:stop(Collector).

%% The process that starts the root supervisor, as an application master would.
parent() ->
    process_flag(trap_exit, true),
    parent_loop().

parent_loop() ->
    receive
        {start, Collector, Root, Caller} ->
            Caller ! {started, oracle_tree:start(Collector, Root)},
            parent_loop();
        {leave, Reason} ->
            exit(Reason);
        _ ->
            parent_loop()
    end.

step(Step) ->
    put(answers, []),
    act(Step),
    settle(),
    Events = gen_server:call(get(collector), take),
    Answers = [#{n => N, value => Value} || {N, Value} <- lists:sort(get(answers))],
    #{events => Events, answers => Answers, children => children()}.

act(#{do := start, root := Root}) ->
    {Collector, Parent} = {get(collector), get(parent)},
    [gen_server:call(Collector, {plan, Label, Starts}) || {Label, Starts} <- maps:to_list(maps:get(first, Root, #{}))],
    ask(fun() ->
        Parent ! {start, Collector, Root, self()},
        receive {started, Result} -> Result end
    end);
act(#{do := plan, child := Label, starts := Starts}) ->
    gen_server:call(get(collector), {plan, Label, Starts});
act(#{do := release, child := Label, as := How}) ->
    gen_server:call(get(collector), {release, Label, How});
act(#{do := exit, child := Label, reason := kill}) ->
    ending(Label, fun(Pid) -> exit(Pid, kill) end);
act(#{do := exit, child := Label, reason := Reason}) ->
    ending(Label, fun(Pid) -> gen_server:cast(Pid, {exit, oracle_tree:reason(Reason)}) end);
act(#{do := raise, child := Label}) ->
    ending(Label, fun(Pid) -> gen_server:cast(Pid, raise) end);
act(#{do := signal, to := Label, reason := Reason}) ->
    [exit(Pid, oracle_tree:reason(Reason)) || Pid <- [where(Label)], is_pid(Pid)];
act(#{do := send, to := Label}) ->
    [Pid ! stray || Pid <- [where(Label)], is_pid(Pid)];
act(#{do := leave, reason := Reason}) ->
    Parent = get(parent),
    Ref = monitor(process, Parent),
    Parent ! {leave, oracle_tree:reason(Reason)},
    receive {'DOWN', Ref, _, _, _} -> ok end;
act(#{do := stop, supervisor := Sup, reason := Reason}) ->
    request(Sup, fun(Pid) -> gen_server:stop(Pid, oracle_tree:reason(Reason), infinity) end);
act(#{do := start_child, supervisor := Sup, child := Child}) ->
    Collector = get(collector),
    request(Sup, fun(Pid) -> supervisor:start_child(Pid, oracle_tree:spec(Collector, Child)) end);
act(#{do := start_child, supervisor := Sup, label := Label}) ->
    request(Sup, fun(Pid) -> supervisor:start_child(Pid, [Label]) end);
act(#{do := terminate_child, supervisor := Sup, id := Id}) ->
    request(Sup, fun(Pid) -> supervisor:terminate_child(Pid, Id) end);
act(#{do := terminate_child, supervisor := Sup, pid := Label}) ->
    Child = last(Label),
    request(Sup, fun(Pid) -> supervisor:terminate_child(Pid, Child) end);
act(#{do := restart_child, supervisor := Sup, id := Id}) ->
    request(Sup, fun(Pid) -> supervisor:restart_child(Pid, Id) end);
act(#{do := delete_child, supervisor := Sup, id := Id}) ->
    request(Sup, fun(Pid) -> supervisor:delete_child(Pid, Id) end);
act(#{do := get_childspec, supervisor := Sup, id := Id}) ->
    request(Sup, fun(Pid) -> shown_spec(supervisor:get_childspec(Pid, Id)) end);
act(#{do := get_childspec, supervisor := Sup, pid := Label}) ->
    Child = last(Label),
    request(Sup, fun(Pid) -> shown_spec(supervisor:get_childspec(Pid, Child)) end);
act(#{do := which_children, supervisor := Sup}) ->
    request(Sup, fun(Pid) -> [{Id, Child} || {Id, Child, _, _} <- supervisor:which_children(Pid)] end);
act(#{do := which_child, supervisor := Sup, id := Id}) ->
    request(Sup, fun(Pid) -> which_child(Pid, Id) end);
act(#{do := count_children, supervisor := Sup}) ->
    request(Sup, fun(Pid) -> [N || {_, N} <- supervisor:count_children(Pid)] end);
act(#{do := check_childspecs, specs := Specs} = Step) ->
    Collector = get(collector),
    ask(fun() ->
        Mode = maps:get(auto_shutdown, Step, undefined),
        Given = case is_list(Specs) of
            true -> [oracle_tree:spec(Collector, Spec) || Spec <- Specs];
            false -> oracle_tree:spec(Collector, Specs)
        end,
        supervisor:check_childspecs(Given, Mode)
    end).

shown_spec({ok, #{restart := R, shutdown := S, type := T, significant := G}}) -> {R, S, T, G};
shown_spec(Other) -> Other.

%% OTP 28 has supervisor:which_child/2; before that there is no such function to ask.
which_child(Pid, Id) ->
    case erlang:function_exported(supervisor, which_child, 2) of
        true -> apply(supervisor, which_child, [Pid, Id]);
        false -> no_such_function
    end.

where(Label) -> gen_server:call(get(collector), {where, Label}).

last(Label) -> gen_server:call(get(collector), {last, Label}).

%% Let a process end and wait until it has.
ending(Label, How) ->
    case where(Label) of
        undefined ->
            ok;
        Pid ->
            Ref = monitor(process, Pid),
            How(Pid),
            receive
                {'DOWN', Ref, process, Pid, _} -> ok
            after ?LIMIT -> error({does_not_end, Label})
            end
    end.

%% ------------------------------------------------------------------------------------------------ requests

request(Sup, Call) ->
    Pid = case last(Sup) of
        undefined -> nobody();
        Found -> Found
    end,
    ask(fun() -> Call(Pid) end).

nobody() ->
    {Pid, Ref} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Ref, process, Pid, _} -> Pid end.

%% Ask from a process of its own and go on when it waits for the answer: a supervisor may be unable to give
%% one before a later step.
ask(Call) ->
    Driver = self(),
    N = length(get(callers)) + 1,
    Caller = spawn(fun() -> Driver ! {answer, N, answer_of(Call)} end),
    put(callers, [{N, Caller} | get(callers)]),
    rests(Caller).

answer_of(Call) ->
    try Call() of
        {error, {Reason, Child}} when element(1, Child) =:= child -> {error, Reason};
        Answer -> Answer
    catch
        exit:{Reason, {gen_server, call, _}} -> {exit, Reason};
        exit:{Reason, {sys, terminate, _}} -> {exit, Reason};
        exit:Reason -> {exit, Reason};
        error:Reason -> {raised, Reason}
    end.

%% Wait until a process is dead, or waits for a message that has not come.
rests(Pid) ->
    case process_info(Pid, status) of
        undefined -> ok;
        {status, waiting} -> ok;
        _ -> erlang:yield(), rests(Pid)
    end.

%% Wait for the answers: all will come, unless a start is held.
await_answers(_Count, [_ | _]) ->
    ok;
await_answers(Count, []) ->
    case [N || {N, _} <- get(callers), not lists:member(N, get(answered))] of
        [] ->
            ok;
        Open ->
            receive
                {held, When} when When > Count -> ok;
                {answer, N, Value} -> answered(N, Value), await_answers(Count, [])
            after ?LIMIT -> error({not_answered, Open})
            end
    end.

%% Take the answers that have been given.
take_answers() ->
    [rests(Pid) || {_, Pid} <- get(callers)],
    receive
        {answer, N, Value} -> answered(N, Value), take_answers()
    after 0 -> ok
    end.

answered(N, Value) ->
    put(answers, [{N, gen_server:call(get(collector), {shown, Value})} | get(answers)]),
    put(answered, [N | get(answered)]).

%% ------------------------------------------------------------------------------------------------ settling

settle() ->
    #{count := Before, busy := BusyBefore} = gen_server:call(get(collector), snapshot),
    await_answers(Before, BusyBefore),
    #{count := Count, alive := Alive, busy := Busy} = gen_server:call(get(collector), snapshot),
    lists:all(fun(Pid) -> answers(Count, Pid) end, Alive -- Busy),
    case gen_server:call(get(collector), snapshot) of
        #{count := Count} -> take_answers();
        _ -> settle()
    end.

%% One round trip; none when a start is held meanwhile: then whoever starts something cannot answer.
answers(Count, Pid) ->
    Driver = self(),
    Asker = spawn(fun() -> catch gen_server:call(Pid, count_children, infinity), Driver ! {back, self()} end),
    receive
        {back, Asker} -> true;
        {held, When} when When > Count -> false
    after ?LIMIT -> error(does_not_answer)
    end.

children() ->
    #{supervisors := Supervisors, busy := Busy} = gen_server:call(get(collector), snapshot),
    maps:from_list([{Name, children_of(Pid, lists:member(Pid, Busy))} || {Name, Pid} <- Supervisors]).

children_of(_Pid, true) ->
    busy;
children_of(Pid, false) ->
    Children = [{Id, Child, Type} || {Id, Child, Type, _} <- supervisor:which_children(Pid)],
    Counts = [N || {_, N} <- supervisor:count_children(Pid)],
    gen_server:call(get(collector), {shown, {Children, Counts}}).
