"""Orders are checked before they are accepted: a check in a row, then checks side by side, then a decision.

    read ──┬──▶ check_items ────┐
           ├──▶ check_address ──┼──▶ decide ──▶ accept
           └──▶ check_payment ──┘

When to halt is the question here:

- `read` halts by itself. What can't be read has nothing in it that the other checks could look at.
- The checks side by side do not halt. The first `halt` ends the workflow, and whoever sent the order would be told of
  one problem, correct it, and be told of the next. Each gives a list of problems, and `decide` halts with all of them.
- A bad order is no failed run: nothing here has `ok: false` or raises, so nothing is tried again. `on_error: halt` is
  for the checks themselves. With the default, `continue`, a check that broke would have found no problem.
"""

import re

import runfox as rfx

ORDER = """
name: order
defaults: {on_error: halt}
steps:
  - op: read
    input: {text: {"var": "input.text"}}
    branch:
      - condition: {"var": "unreadable"}
        action: halt
        result: {status: rejected, problems: [{"var": "unreadable"}]}

  - op: check_items
    depends_on: [read]
    input: {items: {"var": "steps.read.output.items"}}
  - op: check_address
    depends_on: [read]
    input: {address: {"var": "steps.read.output.fields.ship to"}}
  - op: check_payment
    depends_on: [read]
    input: {card: {"var": "steps.read.output.fields.card"}}

  - op: decide
    depends_on: [check_items, check_address, check_payment]
    input: {problems: {"vars": "steps[*].output.problems[*]"}}   # one list out of three
    branch:
      - condition: {"var": "all_problems"}                       # an empty list is false
        action: halt
        result: {status: rejected, problems: {"var": "all_problems"}}

  - op: accept
    depends_on: [decide]
    input: {items: {"var": "steps.read.output.items"}}

outputs:
  status: accepted
  total: {"var": "steps.accept.output.total"}
"""

PRICES = {"tent": 24900, "lamp": 1950, "rope": 3200}  # cents

ORDERS = {
    "a good one": """
        1 x tent
        2 x lamp
        ship to: Mill Lane 4, 20095 Hamburg
        card: 4539 1488 0343 6467
    """,
    "one with mistakes": """
        1 x tent
        0 x rope
        3 x boat
        ship to: the old mill
        card: 4539 1488 0343 6476
    """,
    "one that is no order": """
        Hello, do you have tents?
    """,
}


def execute(op, inputs):
    match op:
        case "read":
            return read(inputs["text"])
        case "check_items":
            return {"problems": list(items_problems(inputs["items"]))}
        case "check_address":
            good = re.search(r",\s*\d{5} \w+", inputs["address"] or "")
            return {"problems": [] if good else [f"address: {inputs['address']!r} has no postcode and town"]}
        case "check_payment":
            return {"problems": [] if luhn(inputs["card"] or "") else ["card: the number is mistyped"]}
        case "decide":
            return {"all_problems": inputs["problems"]}
        case "accept":
            return {"total": sum(item["count"] * PRICES[item["name"]] for item in inputs["items"])}
        case _:
            raise ValueError(f"no such step: {op}")


def read(text):
    """An order's items and fields, or what makes it unreadable."""
    items, fields = [], {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if found := re.fullmatch(r"(\d+) x (\w+)", line):
            items.append({"count": int(found[1]), "name": found[2]})
        elif found := re.fullmatch(r"([\w ]+): (.+)", line):
            fields[found[1]] = found[2]
        else:
            return {"unreadable": f"not an item and not a field: {line!r}"}
    return {"items": items, "fields": fields}


def items_problems(items):
    if not items:
        yield "items: there are none"
    for item in items:
        if item["name"] not in PRICES:
            yield f"items: there is no {item['name']}"
        elif item["count"] < 1:
            yield f"items: {item['count']} of {item['name']}"


def luhn(card):
    """True if the number's check digit is right: every second digit from the right is doubled, 18 counts as 9."""
    digits = [int(digit) for digit in reversed(card.replace(" ", "")) if digit.isdecimal()]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(digits) == 16 and (sum(digits[::2]) + doubled) % 10 == 0


with rfx.open_backend("memory:", executor=execute) as backend:
    for name, text in ORDERS.items():
        workflow = rfx.Workflow.from_yaml(ORDER, backend, inputs={"text": text})
        match workflow.run():
            case rfx.Complete(outcome):
                print(f"{name}: {outcome['status']}, {outcome['total'] / 100:.2f} to pay")
            case rfx.Halt(result):
                print(f"{name}: {result['status']}", *result.get("problems", []), sep="\n  - ")
        print("  steps:", ", ".join(f"{op} {status}" for op, status in workflow.step_statuses.items()))
