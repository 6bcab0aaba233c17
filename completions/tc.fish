# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tc_global_optspecs
    string join \n s/store= format= o/output= json color= tz= time= no-pager strict v/verbose q/quiet threads= h/help V/version
end

function __fish_tc_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tc_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tc_using_subcommand
    set -l cmd (__fish_tc_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tc -n "__fish_tc_needs_command" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_needs_command" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_needs_command" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_needs_command" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_needs_command" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_needs_command" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_needs_command" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_needs_command" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_needs_command" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_needs_command" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_needs_command" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_needs_command" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_needs_command" -s V -l version -d 'Print version'
complete -c tc -n "__fish_tc_needs_command" -f -a "status" -d 'Show every function: calls, variants with share, success and latency, decisions; and every workflow'
complete -c tc -n "__fish_tc_needs_command" -f -a "history" -d 'Show the last events, of all functions or of one'
complete -c tc -n "__fish_tc_needs_command" -f -a "events" -d 'Count the events of each type; with a TYPE, of each function'
complete -c tc -n "__fish_tc_needs_command" -f -a "summary" -d 'Show one function\'s variants: calls, success, latencies, errors by message, first and last seen'
complete -c tc -n "__fish_tc_needs_command" -f -a "report" -d 'Compare a function\'s variants, and say what follows'
complete -c tc -n "__fish_tc_needs_command" -f -a "promote" -d 'Give a variant all traffic'
complete -c tc -n "__fish_tc_needs_command" -f -a "rollback" -d 'Take a variant\'s traffic away'
complete -c tc -n "__fish_tc_needs_command" -f -a "weight" -d 'Set a variant\'s share of traffic'
complete -c tc -n "__fish_tc_needs_command" -f -a "runs" -d 'List workflow runs: where each stands, what it waits for, and since when'
complete -c tc -n "__fish_tc_needs_command" -f -a "show" -d 'Show one workflow run: its status and the reason, a timeline, its steps, its history, its inbox'
complete -c tc -n "__fish_tc_needs_command" -f -a "replay" -d 'Fold a run\'s history offline, event by event'
complete -c tc -n "__fish_tc_needs_command" -f -a "send" -d 'Send an event to a workflow run'
complete -c tc -n "__fish_tc_needs_command" -f -a "start" -d 'Start a workflow run'
complete -c tc -n "__fish_tc_needs_command" -f -a "result" -d 'Print what a workflow run ended with'
complete -c tc -n "__fish_tc_needs_command" -f -a "cancel" -d 'Ask that a workflow run be cancelled'
complete -c tc -n "__fish_tc_needs_command" -f -a "clean" -d 'Delete logs, or their older events'
complete -c tc -n "__fish_tc_needs_command" -f -a "fsck" -d 'Check whether workflow runs are sound, and repair what can be repaired without losing anything'
complete -c tc -n "__fish_tc_needs_command" -f -a "completions" -d 'Print the completions for a shell'
complete -c tc -n "__fish_tc_needs_command" -f -a "man" -d 'Print a manual page: of tc, or of one of its commands'
complete -c tc -n "__fish_tc_using_subcommand status" -l since -d 'Only events at or after this time: 2h, 7d, yesterday, 2026-06-05, RFC 3339' -r
complete -c tc -n "__fish_tc_using_subcommand status" -l until -d 'Only events before this time' -r
complete -c tc -n "__fish_tc_using_subcommand status" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand status" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand status" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand status" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand status" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand status" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand status" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand status" -l merge -d 'Take functions of equal name in several stores for the same one'
complete -c tc -n "__fish_tc_using_subcommand status" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand status" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand status" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand status" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand status" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand history" -s n -l limit -d 'How many events, without naming a function' -r
complete -c tc -n "__fish_tc_using_subcommand history" -l event -d 'Only events of this type: call, weight_change, promotion, rollback, …' -r
complete -c tc -n "__fish_tc_using_subcommand history" -l variant -d 'Only events of this variant' -r
complete -c tc -n "__fish_tc_using_subcommand history" -l since -d 'Only events at or after this time: 2h, 7d, yesterday, 2026-06-05, RFC 3339' -r
complete -c tc -n "__fish_tc_using_subcommand history" -l until -d 'Only events before this time' -r
complete -c tc -n "__fish_tc_using_subcommand history" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand history" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand history" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand history" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand history" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand history" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand history" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand history" -l failed -d 'Only calls that failed'
complete -c tc -n "__fish_tc_using_subcommand history" -l merge -d 'Take functions of equal name in several stores for the same one'
complete -c tc -n "__fish_tc_using_subcommand history" -s f -l follow -d 'Then wait for new events and print each as it comes'
complete -c tc -n "__fish_tc_using_subcommand history" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand history" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand history" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand history" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand history" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand events" -l since -d 'Only events at or after this time: 2h, 7d, yesterday, 2026-06-05, RFC 3339' -r
complete -c tc -n "__fish_tc_using_subcommand events" -l until -d 'Only events before this time' -r
complete -c tc -n "__fish_tc_using_subcommand events" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand events" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand events" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand events" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand events" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand events" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand events" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand events" -l merge -d 'Take functions of equal name in several stores for the same one'
complete -c tc -n "__fish_tc_using_subcommand events" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand events" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand events" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand events" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand events" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand summary" -l since -d 'Only events at or after this time: 2h, 7d, yesterday, 2026-06-05, RFC 3339' -r
complete -c tc -n "__fish_tc_using_subcommand summary" -l until -d 'Only events before this time' -r
complete -c tc -n "__fish_tc_using_subcommand summary" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand summary" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand summary" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand summary" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand summary" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand summary" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand summary" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand summary" -l merge -d 'Take functions of equal name in several stores for the same one'
complete -c tc -n "__fish_tc_using_subcommand summary" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand summary" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand summary" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand summary" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand summary" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand summary" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand report" -l baseline -d 'The variant to compare the others with [default: v1, else the one called first]' -r
complete -c tc -n "__fish_tc_using_subcommand report" -l since -d 'Only events at or after this time: 2h, 7d, yesterday, 2026-06-05, RFC 3339' -r
complete -c tc -n "__fish_tc_using_subcommand report" -l until -d 'Only events before this time' -r
complete -c tc -n "__fish_tc_using_subcommand report" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand report" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand report" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand report" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand report" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand report" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand report" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand report" -l merge -d 'Take functions of equal name in several stores for the same one'
complete -c tc -n "__fish_tc_using_subcommand report" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand report" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand report" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand report" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand report" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand promote" -s r -l reason -d 'Why: it is written to the log' -r
complete -c tc -n "__fish_tc_using_subcommand promote" -l by -d 'Who decided [default: $TC_BY, else user@host]' -r
complete -c tc -n "__fish_tc_using_subcommand promote" -l if-last -d 'Only if nothing happened to the function since: the time of its last event or its line, as `tc history` shows them' -r
complete -c tc -n "__fish_tc_using_subcommand promote" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand promote" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand promote" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand promote" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand promote" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand promote" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand promote" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand promote" -l ignore-calls -d 'With --if-last: calls may have happened, decisions not'
complete -c tc -n "__fish_tc_using_subcommand promote" -l force -d 'Even if the log knows no such function or variant'
complete -c tc -n "__fish_tc_using_subcommand promote" -l dry-run -d 'Only print the record that would be written'
complete -c tc -n "__fish_tc_using_subcommand promote" -s y -l yes -d 'Do not ask'
complete -c tc -n "__fish_tc_using_subcommand promote" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand promote" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand promote" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand promote" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand promote" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand rollback" -l to -d 'The variant that gets the traffic [default: the first]' -r
complete -c tc -n "__fish_tc_using_subcommand rollback" -s r -l reason -d 'Why: it is written to the log' -r
complete -c tc -n "__fish_tc_using_subcommand rollback" -l by -d 'Who decided [default: $TC_BY, else user@host]' -r
complete -c tc -n "__fish_tc_using_subcommand rollback" -l if-last -d 'Only if nothing happened to the function since: the time of its last event or its line, as `tc history` shows them' -r
complete -c tc -n "__fish_tc_using_subcommand rollback" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand rollback" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand rollback" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand rollback" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand rollback" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand rollback" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand rollback" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand rollback" -l ignore-calls -d 'With --if-last: calls may have happened, decisions not'
complete -c tc -n "__fish_tc_using_subcommand rollback" -l force -d 'Even if the log knows no such function or variant'
complete -c tc -n "__fish_tc_using_subcommand rollback" -l dry-run -d 'Only print the record that would be written'
complete -c tc -n "__fish_tc_using_subcommand rollback" -s y -l yes -d 'Do not ask'
complete -c tc -n "__fish_tc_using_subcommand rollback" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand rollback" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand rollback" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand rollback" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand rollback" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand weight" -s r -l reason -d 'Why: it is written to the log' -r
complete -c tc -n "__fish_tc_using_subcommand weight" -l by -d 'Who decided [default: $TC_BY, else user@host]' -r
complete -c tc -n "__fish_tc_using_subcommand weight" -l if-last -d 'Only if nothing happened to the function since: the time of its last event or its line, as `tc history` shows them' -r
complete -c tc -n "__fish_tc_using_subcommand weight" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand weight" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand weight" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand weight" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand weight" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand weight" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand weight" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand weight" -l release -d 'Hand the function back to its strategy, which starts anew: all that was decided is forgotten'
complete -c tc -n "__fish_tc_using_subcommand weight" -l ignore-calls -d 'With --if-last: calls may have happened, decisions not'
complete -c tc -n "__fish_tc_using_subcommand weight" -l force -d 'Even if the log knows no such function or variant'
complete -c tc -n "__fish_tc_using_subcommand weight" -l dry-run -d 'Only print the record that would be written'
complete -c tc -n "__fish_tc_using_subcommand weight" -s y -l yes -d 'Do not ask'
complete -c tc -n "__fish_tc_using_subcommand weight" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand weight" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand weight" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand weight" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand weight" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand weight" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand runs" -l status -d 'Only runs with this status; separate several by commas' -r -f -a "pending\t''
running\t''
sleeping\t''
waiting\t''
retrying\t''
completed\t''
failed\t''
cancelled\t''
parked\t''
corrupt\t''"
complete -c tc -n "__fish_tc_using_subcommand runs" -l since -d 'Only runs to which something has happened since: 2h, 7d, yesterday, 2026-06-05, RFC 3339' -r
complete -c tc -n "__fish_tc_using_subcommand runs" -l where -d 'Only runs for which a filter of substantial holds, as \'{"gt": 5}\' or \'{"status": {"eq": "ONGOING"}}\'' -r
complete -c tc -n "__fish_tc_using_subcommand runs" -l sort -d 'The order; all but `id` read every run before the first is shown' -r -f -a "id\t'By id'
started\t'The last to begin first'
updated\t'The last to which something happened first'
since\t'Those that have had their status for longest first'"
complete -c tc -n "__fish_tc_using_subcommand runs" -s n -l limit -d 'Show at most this many' -r
complete -c tc -n "__fish_tc_using_subcommand runs" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand runs" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand runs" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand runs" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand runs" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand runs" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand runs" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand runs" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand runs" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand runs" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand runs" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand runs" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand runs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand show" -s n -l limit -d 'Show the last N events of the history, or `all` [default: 50, in JSON and CSV all]' -r
complete -c tc -n "__fish_tc_using_subcommand show" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand show" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand show" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand show" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand show" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand show" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand show" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand show" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand show" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand show" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand show" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand show" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand replay" -l at -d 'Show the state after this event, or at this time: 7, 2.7 for a second generation, 2h, RFC 3339' -r
complete -c tc -n "__fish_tc_using_subcommand replay" -l diff -d 'Show where this run and another one differ; exit code 1 if they do' -r
complete -c tc -n "__fish_tc_using_subcommand replay" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand replay" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand replay" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand replay" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand replay" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand replay" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand replay" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand replay" -l all -d 'Fold every run of the store, and say which are corrupt'
complete -c tc -n "__fish_tc_using_subcommand replay" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand replay" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand replay" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand replay" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand replay" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand send" -l idempotency-key -d 'A key of your choice: the same event with a key that was used before is not sent again' -r
complete -c tc -n "__fish_tc_using_subcommand send" -l from -d 'Who sends it [default: $TC_BY, else user@host]' -r
complete -c tc -n "__fish_tc_using_subcommand send" -l timeout -d 'Take at most this long for everything, such as 30s or 5m; exit code 8 when the time is over' -r
complete -c tc -n "__fish_tc_using_subcommand send" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand send" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand send" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand send" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand send" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand send" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand send" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand send" -l text -d 'The value is text, whatever it looks like'
complete -c tc -n "__fish_tc_using_subcommand send" -s w -l wait -d 'Wait for it'
complete -c tc -n "__fish_tc_using_subcommand send" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand send" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand send" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand send" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand send" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand start" -l id -d 'The id of the run [default: the workflow\'s name and something random]' -r
complete -c tc -n "__fish_tc_using_subcommand start" -l queue -d 'The queue whose workers run it' -r
complete -c tc -n "__fish_tc_using_subcommand start" -l idempotency-key -d 'A key of your choice: with a key that was used before for the same workflow and input, no second run is started' -r
complete -c tc -n "__fish_tc_using_subcommand start" -l timeout -d 'Take at most this long for everything, such as 30s or 5m; exit code 8 when the time is over' -r
complete -c tc -n "__fish_tc_using_subcommand start" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand start" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand start" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand start" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand start" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand start" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand start" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand start" -l text -d 'The input is text, whatever it looks like'
complete -c tc -n "__fish_tc_using_subcommand start" -s w -l wait -d 'Wait for it'
complete -c tc -n "__fish_tc_using_subcommand start" -l raw -d 'With --wait: print a result that is text without quotes'
complete -c tc -n "__fish_tc_using_subcommand start" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand start" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand start" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand start" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand start" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand result" -l timeout -d 'Take at most this long for everything, such as 30s or 5m; exit code 8 when the time is over' -r
complete -c tc -n "__fish_tc_using_subcommand result" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand result" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand result" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand result" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand result" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand result" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand result" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand result" -s w -l wait -d 'Wait for it'
complete -c tc -n "__fish_tc_using_subcommand result" -l raw -d 'Print a result that is text without quotes; into a pipe or a file as it is, control characters and all'
complete -c tc -n "__fish_tc_using_subcommand result" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand result" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand result" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand result" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand result" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand result" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand cancel" -s r -l reason -d 'Why; the run is told the reason' -r
complete -c tc -n "__fish_tc_using_subcommand cancel" -l from -d 'Who asks [default: $TC_BY, else user@host]' -r
complete -c tc -n "__fish_tc_using_subcommand cancel" -l idempotency-key -d 'A key of your choice: a request with a key that was used before is not sent again' -r
complete -c tc -n "__fish_tc_using_subcommand cancel" -l timeout -d 'Take at most this long for everything, such as 30s or 5m; exit code 8 when the time is over' -r
complete -c tc -n "__fish_tc_using_subcommand cancel" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand cancel" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand cancel" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand cancel" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand cancel" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand cancel" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand cancel" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand cancel" -s y -l yes -d 'Do not ask for confirmation'
complete -c tc -n "__fish_tc_using_subcommand cancel" -s w -l wait -d 'Wait for it'
complete -c tc -n "__fish_tc_using_subcommand cancel" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand cancel" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand cancel" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand cancel" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand cancel" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand clean" -l older-than -d 'Only events older than this: 12h, 30d, 8w' -r
complete -c tc -n "__fish_tc_using_subcommand clean" -l archive -d 'Keep what is deleted, compressed, in this folder [default: archive, beside the log, if that is a file]' -r -F
complete -c tc -n "__fish_tc_using_subcommand clean" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand clean" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand clean" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand clean" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand clean" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand clean" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand clean" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand clean" -l dry-run -d 'Only show what would be deleted'
complete -c tc -n "__fish_tc_using_subcommand clean" -s y -l yes -d 'Do not ask'
complete -c tc -n "__fish_tc_using_subcommand clean" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand clean" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand clean" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand clean" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand clean" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand fsck" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand fsck" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand fsck" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand fsck" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand fsck" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand fsck" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand fsck" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand fsck" -l repair -d 'Repair what can be repaired without losing anything, after showing it'
complete -c tc -n "__fish_tc_using_subcommand fsck" -s y -l yes -d 'Do not ask for confirmation'
complete -c tc -n "__fish_tc_using_subcommand fsck" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand fsck" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand fsck" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand fsck" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand fsck" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand fsck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand completions" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand completions" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand completions" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand completions" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand completions" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand completions" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand completions" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand completions" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand completions" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand completions" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand completions" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand completions" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tc -n "__fish_tc_using_subcommand man" -l dir -d 'Write all pages into this folder instead' -r -F
complete -c tc -n "__fish_tc_using_subcommand man" -s s -l store -d 'Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard input; may be given more than once' -r
complete -c tc -n "__fish_tc_using_subcommand man" -l format -d 'What kind of store it is, instead of detecting it' -r -f -a "auto\t'Look and see'
temporal-code\t'Evolution logs of the Python package temporal-code'
tc\t'Workflow runs of tc'
substantial\t'Workflow runs of the Python package substantial'
durable-python\t'Programs of the Python package durable-python'"
complete -c tc -n "__fish_tc_using_subcommand man" -s o -l output -d 'How to print' -r -f -a "table\t'Tables for people'
json\t'One JSON object with all items'
jsonl\t'One JSON object a line, one line an item'
csv\t'Comma-separated values with a header'
markdown\t'Tables for Markdown'"
complete -c tc -n "__fish_tc_using_subcommand man" -l color -d 'When to use colour [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even off a terminal'
never\t'Not at all'"
complete -c tc -n "__fish_tc_using_subcommand man" -l tz -d 'Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]' -r
complete -c tc -n "__fish_tc_using_subcommand man" -l time -d 'How to print times in tables' -r -f -a "relative\t'`3m ago`'
iso\t'`2026-11-21T21:07:31.507299Z`'"
complete -c tc -n "__fish_tc_using_subcommand man" -l threads -d 'Threads that read [default: one a core]' -r
complete -c tc -n "__fish_tc_using_subcommand man" -l json -d 'The same as --output json'
complete -c tc -n "__fish_tc_using_subcommand man" -l no-pager -d 'Do not page long output'
complete -c tc -n "__fish_tc_using_subcommand man" -l strict -d 'Fail on the first line that cannot be read, instead of skipping and counting it'
complete -c tc -n "__fish_tc_using_subcommand man" -s v -l verbose -d 'Say more: which files were read, and what was skipped in them'
complete -c tc -n "__fish_tc_using_subcommand man" -s q -l quiet -d 'No progress bar, no warnings'
complete -c tc -n "__fish_tc_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
