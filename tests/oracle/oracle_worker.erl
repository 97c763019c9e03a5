%% A child that does what its options say: traps exits, removes its link, leaves with another reason, or never.
-module(oracle_worker).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

init({_, fail, _}) -> {stop, failed};
init({_, ignore, _}) -> ignore;
init({_, init_raises, _}) -> error(raised);
init({_, init_exits, _}) -> exit(exited);
init({_, init_returns_garbage, _}) -> garbage;
init({Collector, ok, Options}) ->
    [process_flag(trap_exit, true) || maps:get(trap, Options, false)],
    [unlink(hd(get('$ancestors'))) || maps:get(unlink, Options, false)],
    {ok, {Collector, Options}}.

handle_call(_Request, _From, State) -> {reply, ok, State}.

handle_cast({exit, Reason}, _State) -> exit(Reason);
handle_cast(raise, _State) -> error(raised).

handle_info(_Message, State) -> {noreply, State}.

terminate(Reason, {Collector, Options}) ->
    gen_server:call(Collector, {terminating, Reason}, infinity),
    case maps:get(last, Options, ok) of
        ok -> ok;
        stuck -> receive never -> ok end;
        Last -> exit(oracle_tree:reason(Last))
    end.
