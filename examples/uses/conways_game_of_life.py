"""Conway's Game of Life: a loop whose body is several steps, of which some run side by side.

    draw ──▶ north ──┐
       └───▶ south ──┴──▶ join ──┐     until nothing moves any more, or for a number of generations
             ▲───────────────────┘

Each generation the two halves of the grid are computed by themselves and joined. `join` looks at the whole, and its
`set` branch sends both halves back. A reset takes with it whatever depends on what is named, so `join` itself runs
again, too; `draw`, on which the halves depend, does not.

The grid that goes round is in `state`: each round's outputs are cleared by the reset. `north` and `south` give their
rows under names of their own, because outputs are merged into `state` key by key, and of two steps that run side by
side and give the same key the later one would win.

A run that fails is not sent back: the last condition is false for it, no branch acts, and `on_error` halts.

The two runs show both ends. On a grid that ends at its edges, a glider comes to rest in the corner as a block, and a
branch halts. A blinker never rests, and the workflow completes after the number of generations that it was given.
"""

import runfox as rfx

LIFE = """
name: life
defaults: {on_error: halt}
steps:
  - op: draw
    input: {grid: {"var": "input.grid"}}

  - op: north
    depends_on: [draw]
    input: {grid: {"var": "state.grid"}}

  - op: south
    depends_on: [draw]
    input: {grid: {"var": "state.grid"}}

  - op: join
    depends_on: [north, south]
    input:
      before: {"var": "state.grid"}
      north: {"var": "steps.north.output.north"}
      south: {"var": "steps.south.output.south"}
      generation: {"var": "state.generation"}
    branch:
      - condition: {"var": "still"}
        action: halt
        result: {still_since: {"-": [{"var": "generation"}, 1]}}
      - condition: {">=": [{"var": "generation"}, {"var": "input.generations"}]}
        action: complete
      - condition: {"!==": [{"var": "ok"}, false]}
        action: {set: [north, south], value: ready}

outputs:
  generations: {"var": "state.generation"}
"""


def execute(op, inputs):
    match op:
        case "draw":
            return {"grid": inputs["grid"], "generation": 0}
        case "north":
            return {"north": evolve(inputs["grid"], range(len(inputs["grid"]) // 2))}
        case "south":
            return {"south": evolve(inputs["grid"], range(len(inputs["grid"]) // 2, len(inputs["grid"])))}
        case "join":
            grid = inputs["north"] + inputs["south"]
            return {"grid": grid, "generation": inputs["generation"] + 1, "still": grid == inputs["before"]}
        case _:
            raise ValueError(f"no such step: {op}")


def evolve(grid, rows):
    """The next generation of some rows. A cell lives with three neighbours, or with two if it lived before."""
    return ["".join("#" if lives(grid, y, x) else "." for x in range(len(grid[y]))) for y in rows]


def lives(grid, y, x):
    around = [line[max(0, x - 1) : x + 2] for line in grid[max(0, y - 1) : y + 2]]
    with_itself = "".join(around).count("#")
    return with_itself == 3 or (with_itself == 4 and grid[y][x] == "#")


GLIDER = [
    ".#......",
    "..#.....",
    "###.....",
    "........",
    "........",
    "........",
    "........",
    "........",
]
BLINKER = [
    ".....",
    "..#..",
    "..#..",
    "..#..",
    ".....",
]


def life(grid, generations, shown):
    """Run one grid and print some of its generations, a few beside each other."""
    pictures = {}

    def keep(_workflow_id, _previous, state, event):
        if event.op in {"draw", "join"}:
            pictures[state["generation"]] = state["grid"]

    with rfx.open_backend("memory:", executor=execute, on_state_change=keep) as backend:
        inputs = {"grid": grid, "generations": generations}
        result = rfx.Workflow.from_yaml(LIFE, backend, inputs).run()

    for numbers in shown:
        print("  ".join(f"{number:<{len(grid[0])}}" for number in numbers).rstrip())
        for lines in zip(*(pictures[number] for number in numbers), strict=True):
            print("  ".join(lines))
    print(result)


print("a glider")
life(GLIDER, generations=50, shown=[[0, 1, 2, 3, 4], [8, 16, 21, 22, 23]])
print("a blinker")
life(BLINKER, generations=6, shown=[[0, 1, 2, 6]])
