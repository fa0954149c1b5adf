/** JSON as Go's structs: every field is there, and prints as docker's templates print it. */
import { assertEquals } from "@std/assert";
import { renderInspected } from "../../../../src/cli/list_template.ts";

const CONTAINER = {
  Id: "abc",
  Name: "/web",
  State: { Status: "running", Pid: 42 },
  Config: {
    Labels: { a: "b" },
    Env: null,
    Healthcheck: { Test: ["CMD", "true"], Interval: 90_500_000_000, Timeout: 1_500_000 },
  },
  HostConfig: {
    Memory: 7,
    Dns: ["1.2.3.4"],
    RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 },
    PortBindings: { "80/tcp": [{ HostIp: "", HostPort: "80" }] },
    Ulimits: [{ Name: "nofile", Hard: 20, Soft: 10 }],
  },
  NetworkSettings: { Ports: { "80/tcp": null }, Networks: { none: { IPAddress: "1.2.3.5" } } },
};

const HEALTHY = {
  ...CONTAINER,
  State: {
    Health: {
      Status: "healthy",
      Log: [{ Start: "2026-01-02T03:04:05.100Z", End: "2026-01-02T03:04:05+01:00", ExitCode: 1 }],
    },
  },
};

/** Printed by docker 28.2 for a container like the one above. */
const SEEN: [template: string, text: string, value?: unknown][] = [
  ["{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"],
  ["{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "healthy", HEALTHY],
  ["{{.State.Health}} {{json .State.Health}}", "<nil> null"],
  [
    "{{range .State.Health.Log}}{{.Start}} {{.ExitCode}}{{end}}",
    "2026-01-02 03:04:05.1 +0000 UTC 1",
    HEALTHY,
  ],
  ["{{(index .State.Health.Log 0).End}}", "2026-01-02 03:04:05 +0100 +0100", HEALTHY],
  ["{{.HostConfig.RestartPolicy}}", "{on-failure 3}"],
  ['{{printf "%+v" .HostConfig.RestartPolicy}}', "{Name:on-failure MaximumRetryCount:3}"],
  ["{{json .HostConfig.RestartPolicy}}", '{"Name":"on-failure","MaximumRetryCount":3}'],
  ["{{.HostConfig.PortBindings}}", "map[80/tcp:[{ 80}]]"],
  ["{{.HostConfig.Ulimits}}", "[nofile=10:20]"],
  ["{{.HostConfig.Memory}} {{.HostConfig.Resources.Memory}}", "7 7"],
  ["{{.HostConfig.DNS}} {{.HostConfig.Binds}} {{.HostConfig.Init}}", "[1.2.3.4] [] <nil>"],
  ["{{.HostConfig.Tmpfs}} {{.HostConfig.Mounts}}", "map[] []"],
  ["{{.Config.Healthcheck}}", "{[CMD true] 1m30.5s 1.5ms 0s 0s 0}"],
  ["{{.Config.ExposedPorts}}{{.Config.StopSignal}}{{.Config.StopTimeout}}", "map[]<nil>"],
  ["{{.Config.Labels.a}}{{.Config.Labels.b}}", "b<no value>"],
  ["{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "1.2.3.5"],
  ["{{.NetworkSettings.Ports}}", "map[80/tcp:[]]"],
  ["{{.ID}} {{.Name}}", "abc /web"],
  // The second attempt, at the JSON: Go's struct has no Id, and no Dns.
  ["{{.Id}} {{.HostConfig.Dns}}", "abc [1.2.3.4]"],
  ["{{.Id}} {{.HostConfig.RestartPolicy}}", "abc map[MaximumRetryCount:3 Name:on-failure]"],
  ["{{.Id}} {{.Config.Env}}", "abc <no value>"],
];

for (const [template, text, value = CONTAINER] of SEEN) {
  Deno.test(`renderInspected() of ${template} is ${text}`, () => {
    assertEquals(renderInspected(template, value, false), text);
  });
}

const VOLUME = { Name: "v", Mountpoint: "/m", Labels: null };
const FAILING: [template: string, typedOnly: boolean, text: string, value?: unknown][] = [
  ["{{.Foo}}", false, 'map has no entry for key "Foo"'],
  ["{{.State.Health.Status}}", false, 'map has no entry for key "Health"'],
  ["{{.Nope}}", true, "can't evaluate field Nope in type volume.Volume", VOLUME],
  ["{{.UsageData.Size}}", true, "nil pointer evaluating *any.Size", VOLUME],
];
for (const [template, typedOnly, text, value = CONTAINER] of FAILING) {
  Deno.test(`renderInspected() of ${template} fails: ${text}`, () => {
    try {
      renderInspected(template, value, typedOnly);
    } catch (error) {
      assertEquals((error as Error).message.replace(/^.* at <.*?>: /, ""), text);
      return;
    }
    throw new Error("it did not");
  });
}
