%% Writes down what happens, in the order in which it happens, and says how the next starts shall go.
%%
%% Every start asks here first and tells how it went; every end is seen by a monitor. A pid is written as the
%% child's label and the number of its incarnation.
-module(oracle_collector).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-record(state, {
    driver,
    count = 0,
    events = [],
    names = #{},        % pid => {Label, Number}
    numbers = #{},      % label => how often it was started
    latest = #{},       % label => pid of its last incarnation
    alive = [],         % pids of what was started and lives
    entered = [],       % supervisors that are starting their children
    supervisors = [],
    open = [],          % {Parent, Label}: starts under way
    plans = #{},        % label => how its next starts go
    held = #{}          % label => who waits to know
}).

init(Driver) -> {ok, #state{driver = Driver}}.

handle_call({starting, Label}, {Parent, _} = From, State) ->
    Open = [{Parent, Label} | State#state.open],
    {How, Plans} = next(Label, State#state.plans),
    Planned = State#state{open = Open, plans = Plans},
    case How of
        hold ->
            Held = maps:put(Label, From, State#state.held),
            Next = event([hold, Label, name(Parent, State)], Planned#state{held = Held}),
            State#state.driver ! {held, Next#state.count},
            {noreply, Next};
        _ ->
            {reply, How, Planned}
    end;
%% A supervisor tells who it is before it starts its children.
handle_call({entered, Label}, {Pid, _}, State) ->
    Named = named(Label, Pid, State),
    {reply, ok, Named#state{entered = [Pid | Named#state.entered]}};
handle_call({began, Label, Result}, {Parent, _}, State) ->
    Closed = State#state{open = lists:delete({Parent, Label}, State#state.open)},
    {reply, ok, began(Label, Result, Parent, Closed)};
handle_call({terminating, Reason}, {Pid, _}, State) ->
    {reply, ok, event([terminate, name(Pid, State), shown(Reason, State)], State)};
handle_call({plan, Label, Starts}, _From, State) ->
    {reply, ok, State#state{plans = maps:put(Label, Starts, State#state.plans)}};
handle_call({release, Label, How}, _From, State) ->
    case maps:take(Label, State#state.held) of
        {Waiting, Held} ->
            gen_server:reply(Waiting, How),
            {reply, ok, State#state{held = Held}};
        error ->
            {reply, ok, State}
    end;
handle_call({where, Label}, _From, State) ->
    Pid = maps:get(Label, State#state.latest, undefined),
    {reply, case lists:member(Pid, State#state.alive) of true -> Pid; false -> undefined end, State};
handle_call({last, Label}, _From, State) ->
    {reply, maps:get(Label, State#state.latest, undefined), State};
handle_call({shown, Value}, _From, State) ->
    {reply, shown(Value, State), State};
handle_call(take, _From, State) ->
    {reply, lists:reverse(State#state.events), State#state{events = []}};
handle_call(snapshot, _From, State) ->
    Busy = case maps:size(State#state.held) of
        0 -> [];
        _ -> [Parent || {Parent, _} <- State#state.open]
    end,
    Supervisors = [{name(Pid, State), Pid} || Pid <- State#state.supervisors, lists:member(Pid, State#state.alive)],
    {reply, #{count => State#state.count, alive => State#state.alive, busy => Busy, supervisors => Supervisors}, State}.

handle_cast({report, Kind, Pid, Report}, State) ->
    Offender = proplists:get_value(offender, Report, proplists:get_value(started, Report, [])),
    Id = proplists:get_value(id, Offender),
    Reason = shown(proplists:get_value(reason, Report), State),
    {noreply, event([report, name(Pid, State), Kind, shown(Id, State), Reason], State)}.

handle_info({'DOWN', _Ref, process, Pid, Reason}, State) ->
    Open = [Start || {Parent, _} = Start <- State#state.open, Parent =/= Pid],
    Held = maps:filter(fun(_, {Waiting, _}) -> Waiting =/= Pid end, State#state.held),
    Closed = State#state{open = Open, held = Held},
    case lists:member(Pid, State#state.alive) of
        true ->
            Ended = Closed#state{alive = lists:delete(Pid, State#state.alive)},
            {noreply, event([exit, name(Pid, State), shown(Reason, State)], Ended)};
        false ->
            % It never got to run: its start's result told.
            {noreply, Closed#state{entered = lists:delete(Pid, State#state.entered)}}
    end.

next(Label, Plans) ->
    case maps:get(Label, Plans, []) of
        [] -> {ok, Plans};
        [How | Rest] -> {How, maps:put(Label, Rest, Plans)}
    end.

began(Label, {ok, Pid}, Parent, State) ->
    Known = case maps:is_key(Pid, State#state.names) of
        true -> State;
        false -> named(Label, Pid, State)
    end,
    {_, Number} = maps:get(Pid, Known#state.names),
    IsSupervisor = lists:member(Pid, Known#state.entered),
    event([start, name(Pid, Known), name(Parent, Known)], Known#state{
        numbers = maps:put(Label, Number, Known#state.numbers),
        latest = maps:put(Label, Pid, Known#state.latest),
        alive = [Pid | Known#state.alive],
        supervisors = [Pid || IsSupervisor] ++ Known#state.supervisors,
        entered = lists:delete(Pid, Known#state.entered)
    });
began(Label, {ok, Pid, _Extra}, Parent, State) ->
    began(Label, {ok, Pid}, Parent, State);
began(Label, ignore, Parent, State) ->
    event([ignore, Label, name(Parent, State)], State);
began(Label, {error, Reason}, Parent, State) ->
    event([fail, Label, name(Parent, State), shown(Reason, State)], State).

named(Label, Pid, State) ->
    monitor(process, Pid),
    Number = maps:get(Label, State#state.numbers, 0) + 1,
    State#state{names = maps:put(Pid, {Label, Number}, State#state.names)}.

event(Event, State) ->
    State#state{events = [Event | State#state.events], count = State#state.count + 1}.

name(Pid, State) ->
    case maps:get(Pid, State#state.names, undefined) of
        undefined -> root;
        {Label, Number} -> list_to_atom(atom_to_list(Label) ++ "#" ++ integer_to_list(Number))
    end.

%% A term as data: pids by name, an error with its stack trace as the word `error`.
shown({_Error, [{_, _, _, _} | _]}, _State) -> error;
shown(Pid, State) when is_pid(Pid) -> name(Pid, State);
shown(Tuple, State) when is_tuple(Tuple) -> shown(tuple_to_list(Tuple), State);
shown([First | _] = Text, State) when is_integer(First), First > 31 ->
    case io_lib:printable_list(Text) of
        true -> #{text => list_to_binary(Text)};
        false -> [shown(Item, State) || Item <- Text]
    end;
shown(List, State) when is_list(List) -> [shown(Item, State) || Item <- List];
shown(Map, State) when is_map(Map) -> maps:map(fun(_, Value) -> shown(Value, State) end, Map);
shown(Fun, _State) when is_function(Fun) -> function;
shown(Plain, _State) -> Plain.
