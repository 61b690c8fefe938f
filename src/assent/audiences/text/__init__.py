"""The readable form of a rule: text that people write and read, one to one with the tree of `rule`.

    country in ("IT", "FR") and order_count >= 3
        and did("Product Viewed", where category = "shoes", at least 3, last 30d)
        and not audience("recent_buyers")

`read` and `write` are each other's inverse: `read(write(rule)) == rule`, and what `write` wrote is written
again as it was. `read` is total: a text is a rule, or UnreadableBody says at which column what was expected,
never what stands there. Shape only, as with `rule.parse`: what a rule may name is `check`'s to say, and
`column_of` finds the place in the text of what it says. Pure.

The grammar (EBNF; strings, numbers, lists and objects are JSON's; spaces and line ends stand between words):

    rule       = conj { "or" conj } ;
    conj       = unary { "and" unary } ;
    unary      = "not" unary | "(" rule ")" | "everyone" | call | comparison ;
    comparison = name ( ("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") value
                      | [ "not" ] "in" "(" [ value { "," value } ] ")"
                      | "in" ( "last" duration | "from" duration [ "to" duration ] )
                      | "between" value "and" value
                      | "is" ( "known" | "absent" )
                      | "has" value
                      | "contains" value
                      | "near" "(" value "," value ")" "within" ( kilometres | value ) ) ;
    call       = "audience" "(" string ")"
               | "ids" "(" [ string { "," string } ] ")"
               | "tier" "(" [ string { "," string } ] ")"
               | "score" "(" { value "if" rule "," } "at" "least" value ")"
               | "bucket" "(" string [ "," "of" name ] "," "from" value "to" value ")"
               | "at_least" "(" integer { "," rule } ")"
               | ( "all_of" | "any_of" ) "(" [ rule { "," rule } ] ")"
               | did | agg
               | "seq" "(" [ did { "," did } ] [ "," "gap" duration ] [ "," "last" duration ] ")"
               | "any_item" "(" name "," "where" rule [ "," "for" duration ] ")"
               | "held" "(" name "=" value "," compare duration ")" ;
    did        = "did" "(" string { "," ( "where" rule | compare integer | window ) } ")" ;
    agg        = "agg" "(" string "," aggregate [ "of" name ]
                 { "," ( "where" rule | compare value | window ) } ")" ;
    aggregate  = "count" | "sum" | "mean" | "low" | "high" | "first" | "last" | "distinct"
               | "first_time" | "last_time" ;
    window     = "last" duration | "from" duration [ "to" duration ] | "to" duration
               | "between" value "and" value ;
    compare    = "at" "least" | "at" "most" | "more" "than" | "less" "than" | "exactly" | "other" "than" ;
    name       = word | string ;
    word       = ( letter | "_" | "$" ) { letter | digit | "_" | "$" | "." | ":" | "-" } ;
    value      = string | number | "true" | "false" | "null" | list | object ;
    kilometres = number "km" ;
    duration   = [ "-" ] digits ( "s" | "min" | "h" | "d" | "w" ) | ISO 8601 | string ;

A name that is no word, or is `and`, `or`, `not` or `everyone`, stands in quotes. `not` binds closest, then
`and`, then `or`. `30d` is P30D and nothing else: PT720H is `720h`. `did` without a number means once or more.
`all_of` and `any_of` are groups of fewer than two.
"""

from assent.audiences.text.reader import column_of, read
from assent.audiences.text.writer import write

__all__ = ["column_of", "read", "write"]
