"""plot.py -- the run as one SVG: a block for each work, a row for each client, a column for each figure."""
import html
import math

ROW, TITLE, HEAD, GAP, LEFT, COLUMN, PAD, TOP, FOOT = 22, 30, 24, 26, 236, 232, 16, 84, 64
OURS, OTHERS, LIMIT, INK, FAINT, GRID = "#0b6e4f", "#8a8f98", "#c1440e", "#1c1f23", "#5d636b", "#e3e5e8"

WALL = ("wall_ms", "wall time, ms", "{:.0f}")
RATE = ("certificates_per_second", "certificates a second", "{:.1f}")
CPU = ("cpu_ms_each", "CPU a certificate, ms", "{:.1f}")
MEMORY = ("pss_mib", "peak memory (PSS), MiB", "{:.1f}")
REQUESTS = ("requests_each", "requests a certificate", "{:.1f}")


def text(x, y, words, size=12, fill=INK, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">'
            f"{html.escape(str(words))}</text>")


def line(x1, y1, x2, y2, stroke, width=1.0, dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"{dashes}/>'


class Axis:
    """Logarithmic: the clients differ by three orders of magnitude. Its ends are 1, 2 or 5 times a power of ten."""

    def __init__(self, x, width, values):
        self.x, self.width = x, width
        self.ticks = self.ticks_for(min(values), max(values))
        self.low, self.high = math.log10(self.ticks[0]), math.log10(self.ticks[-1])

    @staticmethod
    def ticks_for(least, greatest):
        steps = [digit * 10.0 ** power for power in range(-3, 8) for digit in (1, 2, 5)]
        first = max(i for i, step in enumerate(steps) if step <= max(least, 0.001))
        last = min(i for i, step in enumerate(steps) if step >= greatest * 1.0001)
        return steps[first:last + 1]

    def at(self, value):
        return self.x + self.width * (math.log10(max(value, 10 ** self.low)) - self.low) / (self.high - self.low)

    def shown(self):
        """The ticks that get a number: not so many that they touch."""
        decades = len(self.ticks) > 6
        return [tick for tick in self.ticks if not decades or math.isclose(math.log10(tick) % 1, 0, abs_tol=1e-9)]


def number(value):
    return f"{value:g}" if value < 10000 else f"{value / 1000:g}k"


def panel(x, y, rows, column, limits):
    """One figure of all rows of a block: a dot at the median, a line from the least to the greatest."""
    key, title, form = column
    spans = [row[key + "_spread"] for row in rows]
    axis = Axis(x, COLUMN - 62, [value for span in spans for value in span] + [value for value, _ in limits])
    bottom = y + HEAD + ROW * len(rows)
    parts = [text(x, y + 8, title, 11, FAINT)]
    for tick in axis.ticks:
        parts.append(line(axis.at(tick), y + HEAD - 6, axis.at(tick), bottom, GRID))
    for tick in axis.shown():
        parts.append(text(axis.at(tick), bottom + 12, number(tick), 9, FAINT, "middle"))
    for value, _ in limits:
        parts.append(line(axis.at(value), y + HEAD - 6, axis.at(value), bottom, LIMIT, 1.2, "4 3"))
    for i, row in enumerate(rows):
        middle = y + HEAD + ROW * i + ROW / 2 - 2
        colour = OURS if row["client"].startswith("hwacme") else OTHERS
        low, high = row[key + "_spread"]
        parts += [line(axis.at(low), middle, axis.at(high), middle, colour, 2.4),
                  f'<circle cx="{axis.at(row[key]):.1f}" cy="{middle:.1f}" r="4.2" fill="{colour}"/>',
                  text(max(axis.at(high), axis.at(row[key])) + 9, middle + 4, form.format(row[key]), 11, colour)]
    return parts


def block(y, title, rows, columns, limits):
    parts = [text(PAD, y + 14, title, 14, INK, weight="600")]
    y += TITLE
    for i, row in enumerate(rows):
        ours = row["client"].startswith("hwacme")
        names = row["client"] + (f" ({row['certificates']} names)" if row["is_fewer"] else "")
        parts.append(text(PAD, y + HEAD + ROW * i + ROW / 2 + 2, names, 12, OURS if ours else INK, weight="600" if ours else "normal"))
    for i, column in enumerate(columns):
        parts += panel(LEFT + COLUMN * i, y, rows, column, limits if column is RATE else [])
    return parts, TITLE + HEAD + ROW * len(rows) + GAP


def limits_of(limits):
    """The two that bound a fleet: the server, and SoftHSM's or swtpm's keys."""
    bounds = [(limit["per_second"], "Pebble") for limit in limits if limit["limit"].startswith("Pebble")]
    result = [max(bounds)] if bounds else []
    for token in ("SoftHSM", "swtpm"):
        keys = [limit["per_second"] for limit in limits if limit["limit"].startswith(token) and "alone" in limit["limit"] and "key" in limit["limit"]]
        result += [(max(keys), f"new keys of {token}")] if keys else []
    return result


def svg(rows, limits, machine):
    rows = [dict(row) for row in rows if row["runs"]]
    works = list(dict.fromkeys((row["work"], row["nonce_reject"]) for row in rows))
    body, y = [], TOP
    for work, reject in works:
        those = [row for row in rows if (row["work"], row["nonce_reject"]) == (work, reject)]
        most = max(row["certificates"] for row in those)
        for row in those:
            row["is_fewer"] = row["certificates"] < most
        is_fleet = work.startswith("fleet")
        those.sort(key=lambda row: -row["certificates_per_second"] if is_fleet else row["wall_ms"])
        title = work.replace("fleet of", "as fast as it can:") + (" names" if is_fleet else "") + (f"; {reject} % of good nonces refused" if reject else "")
        parts, height = block(y, title, those, [RATE if is_fleet else WALL, CPU, MEMORY, REQUESTS], limits_of(limits))
        body += parts
        y += height
    bounds = ", ".join(f"{what} {value:.0f}" for value, what in limits_of(limits))
    width, height = LEFT + COLUMN * 4 + PAD, y + FOOT
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif" role="img" aria-label="hwacme beside other ACME clients">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            text(PAD, 32, "ACME clients on the same work, against the same Pebble", 18, INK, weight="600"),
            text(PAD, 54, "hwacme keeps account and certificate keys in a token; the others' keys are files, but for \"lego + token key\", whose CSR is "
                 "signed by openssl in the token.", 12, FAINT)]
    foot = [text(PAD, y + 8, "Dot: median; line: least to greatest of all runs; scales are logarithmic. CPU and memory: of all processes of a client.", 11, FAINT),
            text(PAD, y + 26, f"Dashed: what bounds everybody, a second: {bounds}.", 11, LIMIT) if bounds else "",
            text(PAD, y + 44, f"{machine['at']}, {machine['cores']} cores, load {machine['load'][0]:.1f}, Linux {machine['kernel']}", 11, FAINT), "</svg>"]
    return "\n".join(part for part in head + body + foot if part) + "\n"
