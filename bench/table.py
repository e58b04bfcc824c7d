"""What bench/run and bench/launch share: rounds in which every program runs once, and the table of their medians.

Programs run one at a time and interleaved, so that a machine that gets slower or busier does so for all. A figure is the
median of what was measured for it in all rounds.
"""
import os
import platform
import statistics
import sys
import time

WHOLE_RUN_S = 340           # no round begins that would not end by then, if it takes as long as the longest so far


class Failed(Exception):
    """A program could not be measured; that fails the benchmark."""


class Absent(Exception):
    """A program or an option is not there; its cell says so."""


class Row:
    """Shows one metric of each program, and is held to its goals: (against which column, "<=" or ">=", how many times), or
    (None, ...) for the value itself."""

    def __init__(self, title, cells, *goals, has_ratio=True):
        self.title, self.goals = title, goals
        self.cells = cells              # one metric's name for all columns, or a dictionary: column -> metric
        self.has_ratio = has_ratio      # not between figures that are nearly nothing

    def metric(self, column):
        return self.cells if isinstance(self.cells, str) else self.cells.get(column)


class Group:
    """Programs that run next to each other. commands: column -> what the benchmark's `run` makes of it."""

    def __init__(self, name, commands, rows, rounds=None, times=1, **options):
        self.name, self.commands, self.rows = name, commands, rows
        self.rounds = rounds            # at most so many: for what is slow and hardly varies
        self.times = times              # so often in each round: for what is short and varies
        self.options = options          # for `run`


class Bench:
    """columns: name -> (head, short name in a ratio); "ours" is among them. `against`: the column that a row without a goal
    is compared with."""

    def __init__(self, groups, columns, against, is_verbose):
        self.groups, self.columns, self.against, self.is_verbose = groups, columns, against, is_verbose
        self.values = {}            # (group, column, metric) -> one figure for each run
        self.units = {}
        self.failures = {}          # (group, column) -> why
        self.absences = {}          # the same

    def run(self, group, column):
        """Runs one program once: metric -> (value, unit). Raises Failed, Absent, OSError or ValueError."""
        raise NotImplementedError

    def tell(self, text):
        if self.is_verbose:
            print(text, file=sys.stderr)
        elif sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def measure(self, group, column):
        if (group.name, column) in self.failures or (group.name, column) in self.absences:
            return
        try:
            found = self.run(group, column)
        except Absent as why:
            self.absences[group.name, column] = str(why)
            return
        except (Failed, OSError, ValueError) as why:
            self.failures[group.name, column] = str(why)
            return
        for metric, (value, unit) in found.items():
            self.values.setdefault((group.name, column, metric), []).append(value)
            self.units[metric] = unit
            if self.is_verbose:
                print(f"    {metric} {value:.6g} {unit}", file=sys.stderr)

    def round(self, number, n_rounds):
        for group in self.groups:
            if group.rounds and number >= group.rounds:
                continue
            for _ in range(group.times):
                # Every other round the other way round: who comes first finds the caches of another program.
                for column in list(group.commands)[::-1 if number % 2 else 1]:
                    self.tell(f"round {number + 1} of {n_rounds}: {group.name}, {column}")
                    self.measure(group, column)

    def run_rounds(self, n_rounds, what):
        """Runs them and says how many there were; `what`: how they differ from the usual ones."""
        began_at, longest, n_done = time.monotonic(), 0, 0
        while n_done < n_rounds:
            round_at = time.monotonic()
            if n_done and round_at - began_at + longest > WHOLE_RUN_S:
                break
            self.round(n_done, n_rounds)
            longest = max(longest, time.monotonic() - round_at)
            n_done += 1
        self.tell("")
        print(f"medians of {n_done} rounds{what}, {time.monotonic() - began_at:.0f} s"
              + (f"; {n_rounds} would have taken longer than {WHOLE_RUN_S} s" if n_done < n_rounds else "") + "\n")

    def value(self, group, row, column):
        found = self.values.get((group.name, column, row.metric(column)))
        return statistics.median(found) if found else None

    # ---- the table ---------------------------------------------------------------------------------------------------

    def cell(self, group, row, column):
        if column not in group.commands or row.metric(column) is None:
            return "-"
        if (group.name, column) in self.failures:
            return "failed"
        if (group.name, column) in self.absences:
            return "not there"
        value = self.value(group, row, column)
        return "-" if value is None else figure(value)

    def ratio(self, group, row, column):
        mine, other = self.value(group, row, "ours"), self.value(group, row, column)
        return mine / other if row.has_ratio and mine is not None and other else None

    def ratio_text(self, value, column):
        return f"{value:.3g} x {self.columns[column][1]}" if value is not None else ""

    def lines_of(self, group, row):
        """The row's line, and one more for each further goal."""
        unit = next((self.units[row.metric(column)] for column in self.columns if row.metric(column) in self.units), "")
        cells = [self.cell(group, row, column) for column in self.columns]
        first = [row.title, unit, *cells]
        if not row.goals:
            yield [*first, self.ratio_text(self.ratio(group, row, self.against), self.against), "", ""]
        for goal in row.goals:
            shown = goal[0] or self.against
            value = self.ratio(group, row, shown)
            goal_text, said = verdict(value if goal[0] else self.value(group, row, "ours"), goal)
            yield [*first, self.ratio_text(value, shown), goal_text, said]
            first = [""] * len(first)

    def print_table(self):
        """The table, and below it what failed or was not there. 1 when something failed, else 0."""
        lines = [["work", "unit", *(head for head, _ in self.columns.values()), "ratio", "goal", ""]]
        for group in self.groups:
            for row in group.rows:
                lines += self.lines_of(group, row)
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        lines.insert(1, ["-" * width for width in widths])
        for line in lines:
            print("  ".join(text.ljust(width) if i < 2 or i > len(self.columns) + 1 else text.rjust(width)
                            for i, (text, width) in enumerate(zip(line, widths))).rstrip())
        said = [line[-1] for line in lines]
        print(f"\ngoals: {said.count('met')} met, {said.count('MISSED')} missed"
              + (f", {said.count('not known')} not known" if "not known" in said else ""))
        for what, found in (("not there", self.absences), ("failed", self.failures)):
            for (group, column), why in found.items():
                print(f"{what}: {group}, {column}: {why}")
        return 1 if self.failures else 0


def figure(value):
    if value >= 1e6:
        return f"{value / 1e6:.3g} M" if value < 1e9 else f"{value / 1e9:.3g} G"
    if value >= 1e4:
        return f"{value / 1e3:.3g} k"
    return f"{value:.0f}" if value >= 1e3 else f"{value:.3g}" if abs(value) >= 0.001 else "0" if value == 0 else "<0.001"


def verdict(value, goal):
    against, how, limit = goal
    text = f"{how} {limit}" + (" x" if against else "")
    if value is None:
        return text, "not known"
    is_met = {"<=": value <= limit, ">=": value >= limit, "<": value < limit}[how]
    return text, "met" if is_met else "MISSED"


# ---- the command line and the machine ------------------------------------------------------------------------------------

def add_arguments(parser, build):
    parser.add_argument("names", metavar="NAME", nargs="*", help="groups of rows; all when none is named")
    parser.add_argument("--build", default=os.environ.get("MPL_BUILD") or build,
                        help="the build tree (or MPL_BUILD in the environment; default: build beside bench)")
    parser.add_argument("--rounds", type=int, help="how often everything is run (default: 5; quick: 3)")
    parser.add_argument("--quick", action="store_true", help="less work and fewer rounds: about a minute")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell each figure on standard error")


def choose(parser, args, groups):
    """The groups that were named, and how many rounds."""
    names = [group.name for group in groups]
    for name in args.names:
        if name not in names:
            parser.error(f"there is no group '{name}'; there are {', '.join(names)}")
    n_rounds = args.rounds if args.rounds is not None else 3 if args.quick else 5
    if n_rounds < 1:
        parser.error(f"--rounds {n_rounds}: at least 1")
    return [group for group in groups if not args.names or group.name in args.names], n_rounds


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return ""


def print_machine(*more):
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(", ".join([f"{cores} cores ({cpu_model() or platform.machine()}), Linux {platform.release()}", *more]))
    if load > 0.25 * cores:
        print(f"note: the machine was busy when this began (load {load:.2f}); times and what is held to them suffer")
