import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { CommandSpec } from "../../../src/cli/args.ts";
import { COMMANDS, GROUPS } from "../../../src/cli/commands.ts";
import { frontPage, groupPage, helpPage, wrap } from "../../../src/cli/help.ts";

const PS: CommandSpec = {
  name: "ps",
  usage: "[OPTIONS]",
  summary: "List containers",
  aliases: ["container ls", "container list", "container ps", "ps"],
  args: [0, 0],
  flags: {
    all: { type: "bool", short: "a", help: "Show all containers (default shows just running)" },
    filter: {
      type: "list",
      short: "f",
      value: "filter",
      help: "Filter output based on conditions provided",
    },
    format: {
      type: "string",
      help:
        "Format output using a custom template:\n'table':            Print output in table format " +
        "with column headers (default)\n'table TEMPLATE':   Print output in table format using the " +
        "given Go template\n'json':             Print in JSON format\n'TEMPLATE':         Print output " +
        "using the given Go template.\nRefer to https://docs.docker.com/go/formatting/ for more " +
        "information about formatting output with templates",
    },
    last: {
      type: "int",
      short: "n",
      default: -1,
      help: "Show n last created containers (includes all states)",
    },
    latest: {
      type: "bool",
      short: "l",
      help: "Show the latest created container (includes all states)",
    },
    "no-trunc": { type: "bool", help: "Don't truncate output" },
    quiet: { type: "bool", short: "q", help: "Only display container IDs" },
    size: { type: "bool", short: "s", help: "Display total file sizes" },
    secret: { type: "bool", hidden: true },
    since: { type: "string", deprecated: "use --filter" },
  },
};

// `docker ps --help` of docker CLI 28.2.2, with our name in it.
const PS_PAGE = `Usage:  diplodock ps [OPTIONS]

List containers

Aliases:
  diplodock container ls, diplodock container list, diplodock container ps, diplodock ps

Options:
  -a, --all             Show all containers (default shows just running)
  -f, --filter filter   Filter output based on conditions provided
      --format string   Format output using a custom template:
                        'table':            Print output in table format
                        with column headers (default)
                        'table TEMPLATE':   Print output in table format
                        using the given Go template
                        'json':             Print in JSON format
                        'TEMPLATE':         Print output using the given
                        Go template.
                        Refer to https://docs.docker.com/go/formatting/
                        for more information about formatting output with
                        templates
  -n, --last int        Show n last created containers (includes all
                        states) (default -1)
  -l, --latest          Show the latest created container (includes all
                        states)
      --no-trunc        Don't truncate output
  -q, --quiet           Only display container IDs
  -s, --size            Display total file sizes
`;

Deno.test("helpPage() lays a command out as docker does", () => {
  assertEquals(helpPage(PS, "ps"), PS_PAGE);
});

Deno.test("helpPage() shows defaults, further usage lines and examples", () => {
  const spec: CommandSpec = {
    name: "cp",
    usage: ["[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-", "[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH"],
    summary: "Copy",
    description: "Copy files.",
    args: [2, 2],
    flags: {
      hostname: { type: "string", short: "h", help: "Name" },
      pull: { type: "string", default: "missing", help: "Pull" },
      proxy: { type: "bool", default: true, help: "Proxy" },
      weights: { type: "list", defaultText: "[]", help: "Weights" },
    },
    examples: ["diplodock cp a:/b ."],
  };
  assertEquals(
    helpPage(spec, "container cp"),
    `Usage:  diplodock container cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-
\tdiplodock container cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH

Copy files.

Examples:
  diplodock cp a:/b .

Options:
      --help              Print usage
  -h, --hostname string   Name
      --proxy             Proxy (default true)
      --pull string       Pull (default "missing")
      --weights list      Weights (default [])
`,
  );
});

Deno.test("wrap() keeps long words whole and gives up where there is no room", () => {
  assertEquals(wrap("a".repeat(40) + " b", 30), ["a".repeat(40) + " b"]);
  assertEquals(wrap("one two three", 10), ["one two three"]);
});

Deno.test("frontPage() lists every command that is not hidden", () => {
  const page = frontPage();
  for (const [name, row] of Object.entries(COMMANDS)) {
    if (name.includes(" ")) continue;
    assertEquals(page.includes(`\n  ${name} `), row.section !== "hidden", name);
  }
  assertStringIncludes(page, "Usage:  diplodock [OPTIONS] COMMAND\n");
});

Deno.test("groupPage() lists a command once, under docker's verb for it", () => {
  const lines = groupPage("image").split("\n").map((line) => line.trim().split(" ")[0]);
  assert(lines.includes("ls"));
  assert(!lines.includes("list"));
  for (const name of Object.keys(GROUPS)) {
    assertStringIncludes(groupPage(name), GROUPS[name].summary);
  }
});
