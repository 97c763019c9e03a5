%% Data as JSON on one line.
-module(oracle_json).
-export([text/1]).

text(true) -> "true";
text(false) -> "false";
text(null) -> "null";
text(Atom) when is_atom(Atom) -> quoted(atom_to_list(Atom));
text(Number) when is_integer(Number) -> integer_to_list(Number);
text(Number) when is_float(Number) -> io_lib:format("~p", [Number]);
text(Text) when is_binary(Text) -> quoted(unicode:characters_to_list(Text));
text(List) when is_list(List) -> [$[, lists:join($,, [text(Item) || Item <- List]), $]];
text(Map) when is_map(Map) ->
    [${, lists:join($,, [[text(Key), $:, text(Value)] || {Key, Value} <- lists:sort(maps:to_list(Map))]), $}].

quoted(Text) -> [$", [escaped(Char) || Char <- Text], $"].

escaped($") -> "\\\"";
escaped($\\) -> "\\\\";
escaped(Char) when Char < 32; Char > 126 -> io_lib:format("\\u~4.16.0b", [Char]);
escaped(Char) -> Char.
