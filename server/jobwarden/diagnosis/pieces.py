"""The telling parts of logs of any size, in one round trip: both ends, and the neighbourhoods of lines that look bad.

Constant shell text that needs GNU coreutils, grep and awk there, and Linux's /proc. How much is read, searched and
answered has limits of its own, whatever the file holds: one line of a gigabyte, no line at all, or hits in each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from jobwarden.diagnosis.model import Log, Piece
from jobwarden.sources.framing import Part, framed_argv

TELLING = (
    r"error|exception|traceback|fatal|fail|killed|oom|out of memory|cannot|could not|can't|unable|denied|refused"
    r"|no such|not found|not allowed|abort|sigsegv|segmentation|signal|sigkill|panic|timed out|timeout|quota"
    r"|no space|invalid|unrecognized|assert|core dump|exceeded|terminat|unauthorized|forbidden|gated"
    r"|corrupt|slurmstepd|srun:|cancelled|nccl warn|xid|unreachable|unresolved|already in use|too many|bus error"
    r"|illegal|undefined|missing|\*\*\*|what\(\)|unexpected|unavailable|unbound|out of bounds|out of range|not enough"
    r"|transfer closed|sigterm|\b(nan|inf)\b"
)
"""What lines of a failure hold, with the case left out of account. Wide on purpose: it chooses what is read, and
decides nothing."""

_READ = r"""
real=$1 nonce=$2 head=$3 tail=$4 before=$5 after=$6 hits=$7 scan=$8 telling=$9
LC_ALL=C; export LC_ALL
[ -f "$real" ] || { printf 'missing\n'; exit 0; }
exec 3<"$real" || exit 1
in=/proc/self/fd/3
[ "$(readlink $in)" = "$real" ] || { printf 'moved\n'; exit 0; }
set -- $(stat -L -c '%s %Y' $in)
size=$1 changed=$2
from=0; if [ "$size" -gt "$scan" ]; then from=$((size - scan)); fi
lines=-1; if [ "$from" = 0 ]; then lines=$(head -c "$size" <$in | wc -l); fi
printf 'log %s %s %s %s\n' "$size" "$changed" "$(date +%s)" "$lines"
piece() {
  printf '\n%s piece %s %s %s\n' "$nonce" "$1" "$3" "$4"
  tail -c "+$(($1 + 1))" <$in | head -c "$2"
}
if [ "$size" -le "$((head + tail))" ]; then
  piece 0 "$size" 1 0
else
  piece 0 "$head" 1 0
  stop=$((size - tail))
  tail -c "+$((from + 1))" <$in | head -c "$((stop - from))" | grep -n -b -a -i -E -e "$telling" | cut -b 1-64 |
  awk -F: -v from="$from" -v head="$head" -v stop="$stop" -v before="$before" -v after="$after" -v hits="$hits" '
    { at = $2 + from; if (at < head || at >= stop) next
      n++
      if (n <= hits) { line[n] = $1; off[n] = at; last = n }
      else { k = (n - hits - 1) % hits; ring_line[k] = $1; ring_off[k] = at } }
    function tell(number, place) {
      if (place < end) return
      start = place - before; if (start < end) start = end; if (start < head) start = head
      end = place + after; if (end > stop) end = stop
      printf "%.0f %.0f %.0f %.0f\n", start, end - start, (from > 0 ? 0 : number), place - start }
    END {
      end = 0
      for (i = 1; i <= last; i++) tell(line[i], off[i])
      if (n > hits) { kept = n - hits; if (kept > hits) kept = hits
        for (i = 0; i < kept; i++) { k = (n - hits - kept + i) % hits; tell(ring_line[k], ring_off[k]) } } }' |
  while read -r start length line at; do piece "$start" "$length" "$line" "$at"; done
  piece "$stop" "$tail" -1 0
fi
printf '\n%s over\n' "$nonce"
"""

_BODY = r"""
jw_read=$1 jw_head=$2 jw_tail=$3 jw_before=$4 jw_after=$5 jw_hits=$6 jw_scan=$7 jw_telling=$8; shift 8
jw_n=0
for jw_file in "$@"; do
  part "log.$jw_n" sh -c "$jw_read" sh "$jw_file" "$jw_nonce" "$jw_head" "$jw_tail" "$jw_before" "$jw_after" \
    "$jw_hits" "$jw_scan" "$jw_telling"
  jw_n=$((jw_n + 1))
done
jw_done
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of each log is read.

    Attributes:
        head: Bytes from its beginning.
        tail: Bytes from its end.
        before: Bytes before each telling line.
        after: Bytes from its beginning on.
        hits: So many of the first telling lines between both ends, and so many of the last.
        scan: Bytes that are searched, counted from the end; where that is the whole file, line numbers are known.
    """

    head: int
    tail: int
    before: int
    after: int
    hits: int
    scan: int

    @property
    def most(self) -> int:
        """How many bytes one log can come to."""
        return self.head + self.tail + 2 * self.hits * (self.before + self.after)

    def shared(self, files: int) -> Reach:
        """Give what each of several logs may have, so that all together come to little more than twice that of one."""
        parts = (files + 1) // 2
        hits, least = max(2, self.hits // parts), 4096
        return Reach(
            max(least, self.head // parts),
            max(least, self.tail // parts),
            self.before,
            self.after,
            hits,
            max(4 * least, self.scan // parts),
        )


WHOLE = Reach(head=64 * 1024, tail=512 * 1024, before=2048, after=6144, hits=24, scan=64 * 1024 * 1024)
"""For somebody who asks: about 1 MB of one log, and 2 MB of several."""
SHORT = Reach(head=16 * 1024, tail=128 * 1024, before=1024, after=4096, hits=12, scan=16 * 1024 * 1024)
"""For the line that is told unasked: about 270 kB of one log."""
FILES_MOST = 32


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A log as it was read.

    Attributes:
        log: Its parts.
        size_bytes: Its size.
        quiet_s: Seconds since it was written last, by the clock there.
    """

    log: Log
    size_bytes: int
    quiet_s: float


def read_argv(nonce: str, paths: Sequence[PurePosixPath], reach: Reach, *, limit_s: float) -> list[str]:
    """Read these files (parts `log.0`, `log.1`, ...), resolved already; what has become a link since is not read."""
    numbers = (reach.head, reach.tail, reach.before, reach.after, reach.hits, reach.scan)
    words = [_READ, *map(str, numbers), TELLING, *map(str, paths)]
    return framed_argv(_BODY, nonce, *words, limit_s=limit_s)


def read_pieces(part: Part, nonce: str, *, name: str, label: str) -> ReadLog | None:
    """Read one file's part; None where there is no such file, or its answer is not whole."""
    head, _, rest = part.stdout.partition(b"\n")
    found = re.fullmatch(rb"log (\d+) (\d+) (\d+) (-?\d+)", head)
    if found is None:
        return None
    size, changed, now, lines = (int(one) for one in found.groups())
    mark = re.escape(nonce.encode())
    pieces = tuple(_pieces(rest, mark, lines))
    ends = re.search(rb"\n%b over\n\Z" % mark, rest) is not None
    return ReadLog(Log(name, pieces, ends=ends, label=label), size, float(max(0, now - changed)))


def _pieces(answer: bytes, mark: bytes, lines: int) -> Iterator[Piece]:
    frames = list(re.finditer(rb"\n%b (?:piece (\d+) (-?\d+) (\d+)|over)\n" % mark, answer))
    for frame, following in zip(frames, [*frames[1:], None], strict=True):
        if frame[1] is None:
            return
        data = answer[frame.end() : following.start() if following else len(answer)]
        start, line, at = int(frame[1]), int(frame[2]), int(frame[3])
        first = _first_line(data, line, at, lines)
        begins = start == 0 or (line >= 0 and at == 0)
        yield Piece(data, first) if begins else _from_whole_line(data, first)


def _first_line(data: bytes, line: int, at: int, lines: int) -> int | None:
    """Number a part's first line: by the line that stands `at` there, or, of the last part, by how many there are."""
    if line > 0:
        return line - data.count(b"\n", 0, at)
    if line < 0 <= lines:
        return lines - data.count(b"\n") + 1
    return None


def _from_whole_line(data: bytes, first: int | None) -> Piece:
    """Leave out the end of a line whose beginning is not there."""
    cut = data.find(b"\n") + 1
    if not cut or cut == len(data):
        return Piece(data, first)
    return Piece(data[cut:], None if first is None else first + 1)


def parts_of(parts: Mapping[str, Part], count: int) -> list[Part | None]:
    """Give the parts of that many files, in order."""
    return [parts.get(f"log.{at}") for at in range(count)]
