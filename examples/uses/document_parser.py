"""A document is taken apart, its parts are parsed side by side, enriched, and put together again.

    split ──┬──▶ parse_head ───┐
            ├──▶ parse_table ──┼──▶ enrich ──▶ assemble
            └──▶ parse_terms ──┘

The document is an invoice as text. `split` only finds the parts; each parser knows one of them, and can be tried and
tested by itself. `enrich` adds what follows from several parts: sums, tax, the day on which it is due. `assemble`
makes the text.

What travels between steps is JSON. Money is in whole cents, and a day is text (`2026-03-14`): a `Decimal` or a `date`
in an output would make it an error result. Each step asks for what it needs by name, `steps.split.output.table`, and
not for whatever happens to be in `state`: of two steps that give the same key only the later one's is there.

A parser that meets something it can't read raises. That is an error result, and `on_error: halt` ends the workflow with
the step's name and the message. A letter that is no invoice at all is no error, but an answer: `split` halts.
"""

import re
from datetime import date, timedelta

import runfox as rfx

INVOICE_PARSER = """
name: invoice_parser
defaults: {on_error: halt}
steps:
  - op: split
    input: {text: {"var": "input.text"}}
    branch:
      - condition: {"var": "missing"}   # the output's own; an empty list is false
        action: halt
        result: {status: no invoice, missing: {"var": "missing"}}

  - op: parse_head
    depends_on: [split]
    input: {text: {"var": "steps.split.output.head"}}
  - op: parse_table
    depends_on: [split]
    input: {text: {"var": "steps.split.output.table"}}
  - op: parse_terms
    depends_on: [split]
    input: {text: {"var": "steps.split.output.terms"}}

  - op: enrich
    depends_on: [parse_head, parse_table, parse_terms]
    input:
      issued: {"var": "steps.parse_head.output.date"}
      lines: {"var": "steps.parse_table.output.lines"}
      days: {"var": "steps.parse_terms.output.days"}
      tax_percent: {"var": "steps.parse_terms.output.tax_percent"}

  - op: assemble
    depends_on: [enrich]
    input:
      head: {"var": "steps.parse_head.output"}
      lines: {"var": "steps.parse_table.output.lines"}
      sums: {"var": "steps.enrich.output"}

outputs:
  text: {"var": "steps.assemble.output.text"}
  due: {"var": "steps.enrich.output.due"}
  total: {"var": "steps.enrich.output.total"}
"""

INVOICE = """\
Invoice: 2026-0412
Date: 14 March 2026
To: Hill & Daughters, Boatbuilders

| item           | count | price  |
|----------------|-------|--------|
| oak plank, 4 m |    12 |  38.50 |
| copper rivets  |   400 |   0.35 |
| marine glue    |     3 |  12.95 |

Payable within 30 days. All prices plus 19 % tax.
We thank you for your order.
"""

LETTER = """\
Dear Sir or Madam,

the planks have not come.
"""

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September"]
MONTHS += ["October", "November", "December"]


def execute(op, inputs):
    steps = {
        "split": split,
        "parse_head": parse_head,
        "parse_table": parse_table,
        "parse_terms": parse_terms,
        "enrich": enrich,
        "assemble": assemble,
    }
    return steps[op](**inputs)


def split(text):
    """The parts, which are told by how they look, and the names of those that are not there."""
    parts = {}
    for block in text.strip().split("\n\n"):
        if block.startswith("Invoice:"):
            parts["head"] = block
        elif block.startswith("|"):
            parts["table"] = block
        elif "Payable" in block:
            parts["terms"] = block
    return {**parts, "missing": [name for name in ("head", "table", "terms") if name not in parts]}


def parse_head(text):
    fields = dict(line.split(": ", 1) for line in text.splitlines())
    day, month, year = fields["Date"].split()
    issued = date(int(year), MONTHS.index(month) + 1, int(day))
    return {"number": fields["Invoice"], "to": fields["To"], "date": issued.isoformat()}


def parse_table(text):
    names, _rule, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines())
    lines = [dict(zip(names, row, strict=True)) for row in rows]
    return {"lines": [{**line, "count": int(line["count"]), "price": cents(line["price"])} for line in lines]}


def parse_terms(text):
    return {"days": number(r"within (\d+) days", text), "tax_percent": number(r"(\d+) % tax", text)}


def enrich(issued, lines, days, tax_percent):
    net = sum(line["count"] * line["price"] for line in lines)
    tax = (net * tax_percent + 50) // 100
    due = date.fromisoformat(issued) + timedelta(days=days)
    return {"net": net, "tax": tax, "total": net + tax, "due": due.isoformat()}


def assemble(head, lines, sums):
    rows = [(f"{line['count']} x {line['item']}", line["count"] * line["price"]) for line in lines]
    rows += [("net", sums["net"]), ("tax", sums["tax"]), ("total", sums["total"])]
    title = f"{head['number']} of {head['date']}, to {head['to']}"
    return {"text": "\n".join([title, *(f"  {name:<22}{value / 100:>9.2f}" for name, value in rows)])}


def number(pattern, text):
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"there is no {pattern!r} in {text!r}")
    return int(found[1])


def cents(price):
    whole, fraction = price.split(".")
    return int(whole) * 100 + int(fraction)


with rfx.open_backend("memory:", executor=execute) as backend:
    for text in (INVOICE, LETTER):
        workflow = rfx.Workflow.from_yaml(INVOICE_PARSER, backend, inputs={"text": text})
        match workflow.run():
            case rfx.Complete(outcome):
                print(outcome["text"])
                print(f"due on {outcome['due']}: {outcome['total']} cents")
            case rfx.Halt(result):
                print(f"halted: {result}")
        print("steps:", ", ".join(f"{op} {status}" for op, status in workflow.step_statuses.items()))
