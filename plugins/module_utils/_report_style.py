# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""How a report's page looks: its colours by day and by night, its type, on paper and on a phone."""

from __future__ import annotations

LIGHT = {
    "page": "#f5f6f8", "card": "#ffffff", "text": "#1a2230", "soft": "#505c6e", "line": "#d9dee6", "sunk": "#f0f2f6",
    "link": "#0b57b0", "good": "#0f6b3c", "good-bg": "#e5f4eb", "warn": "#7d4a00", "warn-bg": "#fdf1dc",
    "bad": "#ab1f1f", "bad-bg": "#fdeaea", "info": "#1f4f99", "info-bg": "#e7effb", "bar": "#3b6fb6",
    "bar-bad": "#c23b3b", "outage": "#9c4506", "track": "#e6eaf0",
}
DARK = {
    "page": "#10141b", "card": "#181e27", "text": "#e6eaf1", "soft": "#a9b4c4", "line": "#313a48", "sunk": "#121821",
    "link": "#8ab8ff", "good": "#7fd6a4", "good-bg": "#14301f", "warn": "#f2c374", "warn-bg": "#352610",
    "bad": "#ff9d9d", "bad-bg": "#3a1a1c", "info": "#9cc2ff", "info-bg": "#172a47", "bar": "#6fa3e8",
    "bar-bad": "#ee7676", "outage": "#f0a35c", "track": "#283140",
}
# What is written on what.
PAIRS = (
    *((front, back) for front in ("text", "soft", "link", "outage") for back in ("page", "card", "sunk")),
    *((kind, f"{kind}-bg") for kind in ("good", "warn", "bad", "info")),
    *((front, f"{kind}-bg") for kind in ("good", "warn", "bad", "info") for front in ("text", "soft", "link")),
    *((kind, "card") for kind in ("good", "warn", "bad", "info")),
)

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--page);color:var(--text);
font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.wrap{max-width:60rem;margin:0 auto;padding:1.5rem 1.25rem 4rem}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem}
a{color:var(--link);text-underline-offset:.15em}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:4px}
h1{font-size:1.75rem;line-height:1.2;letter-spacing:-.015em;margin:0 0 .5rem;text-wrap:balance}
h2{font-size:1.3rem;line-height:1.3;letter-spacing:-.01em;margin:0 0 1rem}
h3{font-size:1.02rem;line-height:1.4;margin:2rem 0 .5rem}
h2+h3{margin-top:0}
p{margin:0 0 .75rem}ul{margin:0 0 .75rem;padding-left:1.25rem}li{margin:.25rem 0}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.86em}
code{background:var(--sunk);border:1px solid var(--line);border-radius:5px;padding:.08em .35em;
-webkit-box-decoration-break:clone;box-decoration-break:clone}
pre{background:var(--sunk);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;margin:.5rem 0 1rem;
white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.55}
pre code{background:none;border:0;padding:0;font-size:1em}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.5rem;margin-top:1.25rem}
.soft{color:var(--soft)}.small{font-size:.9rem}
.where{display:flex;flex-wrap:wrap;gap:.1rem .9rem;justify-content:space-between;color:var(--soft);font-size:.9rem;
margin-bottom:.8rem}
.banner{border-radius:14px;padding:1.5rem;border:1px solid;border-left-width:6px}
.banner.good{background:var(--good-bg);border-color:var(--good)}
.banner.warn{background:var(--warn-bg);border-color:var(--warn)}
.banner.bad{background:var(--bad-bg);border-color:var(--bad)}
.banner.info{background:var(--info-bg);border-color:var(--info)}
.mark{display:inline-flex;align-items:center;gap:.4em;font-weight:650;white-space:nowrap}
.mark svg{width:1.05em;height:1.05em;flex:none}
.mark.good{color:var(--good)}.mark.warn{color:var(--warn)}.mark.bad{color:var(--bad)}.mark.info{color:var(--info)}
.mark.none{color:var(--soft);font-weight:500}
.why strong{font-weight:600}.why details{background:none;border-color:var(--line)}
.banner .mark{font-size:1rem;margin-bottom:.35rem}
.banner .means{font-size:1.06rem;max-width:46rem}
.banner code,.banner pre{background:var(--card)}
.todo{margin-top:1rem;padding-top:1rem;border-top:1px solid var(--line)}
.todo>:last-child,.banner>:last-child,section>:last-child{margin-bottom:0}
.label{display:block;font-size:.78rem;font-weight:650;letter-spacing:.05em;text-transform:uppercase;color:var(--soft)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1px;background:var(--card);
border:1px solid var(--line);border-radius:14px;overflow:hidden;margin:1.25rem 0 0}
.figures div{box-shadow:0 0 0 1px var(--line);padding:.9rem 1.1rem}
.figures dt{font-size:.85rem;color:var(--soft)}
.figures dd{margin:.1rem 0 0;font-weight:650;font-size:1.12rem;line-height:1.35}
.facts{display:grid;grid-template-columns:minmax(8rem,13rem) 1fr;gap:.45rem 1.25rem;margin:0 0 1rem}
.facts dt{color:var(--soft)}.facts dd{margin:0;min-width:0}
table{width:100%;border-collapse:collapse;font-size:.94rem;margin:.25rem 0 1rem}
caption{text-align:left;color:var(--soft);font-size:.9rem;padding-bottom:.4rem}
th,td{text-align:left;vertical-align:top;padding:.5rem .75rem .5rem 0;border-bottom:1px solid var(--line)}
thead th{font-size:.85rem;font-weight:600;color:var(--soft);white-space:nowrap}
tbody th{font-weight:600;min-width:8.5rem}
td.number,th.number{text-align:right;white-space:nowrap;padding-right:2rem}
details{border:1px solid var(--line);border-radius:8px;margin:.5rem 0;background:var(--card)}
summary{cursor:pointer;padding:.55rem .9rem;font-weight:600}
summary .soft{font-weight:400}
details>:not(summary){margin-left:.9rem;margin-right:.9rem}
.picture{margin:0 0 1rem}.picture svg{display:block;width:100%}
.picture text{fill:var(--text);paint-order:stroke;stroke:var(--card);stroke-width:5px;
font:13px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
.picture .soft{fill:var(--soft)}.picture .strong{font-weight:650}
.picture .track{fill:var(--track)}.picture .bar{fill:var(--bar)}.picture .bar.failed{fill:var(--bar-bad)}
.picture .outage{fill:var(--outage);fill-opacity:.15}.picture .edge{stroke:var(--outage);stroke-width:1.5;
stroke-dasharray:4 3}.picture .outage-label{fill:var(--outage);font-weight:650}.picture .bad{fill:var(--bad)}
.picture .cap{fill:var(--outage)}
footer{color:var(--soft);font-size:.88rem;margin-top:1.5rem}
@media (max-width:40rem){
.wrap{padding:.75rem .75rem 3rem}section,.banner{padding:1.1rem 1rem;border-radius:12px}
.banner{border-left-width:5px}h1{font-size:1.4rem}h2{font-size:1.18rem}
.figures{grid-template-columns:1fr 1fr}.figures div{padding:.7rem .85rem}.figures dd{font-size:1rem}
.figures .wide{grid-column:1/-1}
.facts{grid-template-columns:1fr;gap:0}.facts dd{margin-bottom:.6rem}
table,tbody,tr,td,tbody th{display:block;width:100%}
caption{display:block}
thead{display:block;position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.mark{white-space:normal}
tr{border-bottom:1px solid var(--line);padding:.55rem 0}
td,tbody th{border:0;padding:.1rem 0}
td.number,th.number{text-align:left}
td[data-label]{position:relative;padding-left:7.2rem;min-height:1.8em}
td[data-label]::before{content:attr(data-label);position:absolute;left:0;width:6.7rem;color:var(--soft);font-size:.86rem}
td ul{padding-left:1rem}
}
@media print{
@page{margin:16mm 14mm}
:root{LIGHT_AGAIN}
body{background:#fff;font-size:10.5pt}.wrap{max-width:none;padding:0}.skip{display:none}
section{border:0;border-top:1px solid var(--line);border-radius:0;padding:1rem 0 0}
.banner,.figures,.picture,tr,pre{break-inside:avoid}h2,h3,summary{break-after:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
details::details-content{content-visibility:visible;display:block;height:auto}
details{border:0}summary{padding-left:0;list-style:none}details>:not(summary){margin-left:0;margin-right:0}
}
"""


def _variables(colours: dict[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in colours.items())


def style() -> str:
    """Return the page's style sheet."""
    return (f":root{{color-scheme:light dark;{_variables(LIGHT)}}}\n"
            f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
            + _RULES.replace("LIGHT_AGAIN", _variables(LIGHT)))
