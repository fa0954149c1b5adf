/** What people and scripts type: flags, templates, durations, sizes, filters. */
import { assert } from "@std/assert";
import { UserError } from "../../src/base/errors.ts";
import { parseDuration } from "../../src/base/duration.ts";
import { parseFilter } from "../../src/base/filter.ts";
import { parseMoment, parseTime } from "../../src/base/time.ts";
import { parseSize } from "../../src/base/units.ts";
import { HelpRequest, UsageError } from "../../src/cli/args.ts";
import { parseRunFlags } from "../../src/cli/run_flags.ts";
import { executeTemplate, parseTemplate, TemplateError } from "../../src/cli/template/template.ts";
import { fuzzTest, mutateText } from "../lib/fuzz.ts";
import { below, pick, type Random } from "../lib/random.ts";
import { fakeHost } from "../unit/cli/flags/host.ts";

const REFUSALS = [UserError, UsageError, HelpRequest, TemplateError, SyntaxError, RangeError];

/** Runs `body`; its refusals are fine, and nothing else is. `plain`: Go's words, for callers to wrap. */
function answered(body: () => unknown, plain = false): void {
  try {
    body();
  } catch (error) {
    if (plain && (error as Error).constructor === Error) return;
    if (!REFUSALS.some((kind) => error instanceof kind)) throw error;
  }
}

const FLAGS = [
  ..."-it --rm -d --name a -e A=b -v /a:/b:ro -v v:/c --mount type=bind,src=/a,dst=/b".split(" "),
  ..."-p 80:80/tcp -p 127.0.0.1::53/udp --expose 1-3 -m 1g --cpus 0.5 --ulimit nofile=1:2".split(
    " ",
  ),
  ..."--device /dev/null:/x:rwm --tmpfs /t:size=1m --security-opt no-new-privileges".split(" "),
  ..."--cap-add ALL --userns auto:size=9 --network n:alias=b,ip=1.2.3.4 --add-host a:1.2.3.4".split(
    " ",
  ),
  ..."--health-cmd x --health-interval 1s --restart on-failure:3 --log-opt max-size=1m -u 1:1"
    .split(" "),
  ..."--sysctl net.a=1 --gpus all --blkio-weight-device /dev/a:5 --stop-signal 9 --pid host".split(
    " ",
  ),
  ..."--uidmap 0:1:2 --tz local --umask 022 -w /w --label a=b --hostname h --shm-size 1m".split(
    " ",
  ),
];

function commandLine(random: Random): string[] {
  const words = Array.from({ length: below(random, 12) }, () => pick(random, FLAGS));
  words.push("image", "command");
  const changes = 1 + below(random, 3);
  for (let i = 0; i < changes; i++) {
    const at = below(random, words.length);
    words[at] = mutateText(random, words[at]);
  }
  return words;
}

fuzzTest({
  name: "flags of run: any words are a request or a refusal",
  rounds: 1500,
  make: commandLine,
  check: (words) => answered(() => parseRunFlags("run", words, fakeHost(), () => {})),
});

const TEMPLATES = [
  '{{range $i, $e := .List}}{{if gt $i 0}}, {{end}}{{$e | printf "%-10s|%05d|%x" 5 7}}{{else}}-{{end}}',
  '{{with .Map}}{{.key | upper}}{{index . "key"}}{{end}}{{/* c */ -}} {{- join .List ","}}',
  '{{define "x"}}{{.}}{{end}}{{template "x" .Name}}{{json .}}{{len .List}}{{slice .Name 1 2}}',
  '{{if and (eq .Name "a") (not .Empty)}}{{truncate .Name 3}}{{pad .Name 1 2}}{{end}}',
  "{{$x := 0x1F}}{{$x = 1e3}}{{println $x 'a' `raw` nil true}}{{split .Name \"a\"}}",
];
const DATA = {
  Name: "name",
  List: ["a", 1, null],
  Map: { key: "v" },
  Empty: "",
  Deep: { a: [{}] },
};

fuzzTest({
  name: "templates: any text prints something or is refused",
  rounds: 2500,
  make: (random) => mutateText(random, pick(random, TEMPLATES)),
  check: (text) => answered(() => executeTemplate(parseTemplate(text), DATA, { mode: "map" })),
});

const TEXTS = [
  ..."1h2m3.5s -1.5h 1us 100ns 9223372036854775807ns 1d .5s +5m 1h-2m 0".split(" "),
  ..."2020-01-02T03:04:05.678901234+05:30 2020-02-30 1577934245.123 10m 0001-01-01T00:00:00Z".split(
    " ",
  ),
  ..."10m 1.5GiB 1e3 12kb 9007199254740993 -1 0x10 label=a=b status=exited a!=b".split(" "),
];

fuzzTest({
  name: "durations, times, sizes and filters: any text is a value or a refusal",
  rounds: 4000,
  make: (random) => mutateText(random, pick(random, TEXTS)),
  check: (text) => {
    answered(() => assert(typeof parseDuration(text) === "bigint"), true);
    answered(() => assert(["bigint", "undefined"].includes(typeof parseTime(text))), true);
    answered(() => assert(typeof parseMoment(text, 0n) === "bigint"), true);
    answered(() => assert(Number.isFinite(parseSize(text))), true);
    answered(() => assert(parseFilter(text).length === 2), true);
  },
});
