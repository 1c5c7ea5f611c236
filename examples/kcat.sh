#!/bin/sh
# How do I publish a task and read its result with nothing but JSON, on the command line?
#
#     examples/kcat.sh "Say hello in French."
#
# Needs kcat (`apt-get install kcat`, `brew install kcat`). KAFKA_BROKERS names the brokers, localhost:9092 without;
# SLUICE_PREFIX what topic names begin with.
set -eu

brokers=${KAFKA_BROKERS:-localhost:9092}
prefix=${SLUICE_PREFIX:-sluice}
prompt=${1:-Say hello in French.}
task_id=kcat-$(date +%s)-$$
# One line of JSON: quotes and backslashes in the prompt get a backslash, line breaks and tabs become spaces.
prompt=$(printf '%s' "$prompt" | tr '\n\r\t' '   ' | sed 's/[\\"]/\\&/g')

# Results from now on; that of the task cannot be older.
began=$(date +%s)000
printf '{"task_id": "%s", "prompt": "%s"}\n' "$task_id" "$prompt" |
    kcat -P -b "$brokers" -t "$prefix.task.submitted.v1"

# Results have the task's id as their key. Look until it is there, for a minute.
tries=60
while [ "$tries" -gt 0 ]; do
    result=$(kcat -C -q -e -b "$brokers" -t "$prefix.task.completed.v1" -o "s@$began" -f '%k %s\n' |
        sed -n "s/^$task_id //p")
    if [ -n "$result" ]; then
        printf '%s\n' "$result"
        exit 0
    fi
    tries=$((tries - 1))
    sleep 1
done
echo "no result of $task_id; is a router running? \`sluice dlq list\` has what it refused" >&2
exit 1
