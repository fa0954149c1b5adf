import { COMMIT, VERSION } from "../base/version.ts";
import { formatMemory } from "../base/units.ts";
import { engineInfo } from "../engine/info.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { printFormatted, writeOut } from "./output.ts";

export const spec = {
  name: "info",
  usage: "[OPTIONS]",
  summary: "Display system-wide information",
  aliases: ["system info", "info"],
  args: [0, 0],
  flags: {
    format: {
      type: "string",
      short: "f",
      help: "Format output using a custom template:\n" +
        "'json':             Print in JSON format\n" +
        "'TEMPLATE':         Print output using the given Go template.",
    },
  },
  examples: ["diplodock info -f '{{.CgroupVersion}}'"],
} as const satisfies CommandSpec;

/** `diplodock info`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const info = await engineInfo();
  const client = {
    Debug: false,
    Version: VERSION,
    GitCommit: COMMIT,
    Os: "linux",
    Arch: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    Context: "default",
    Plugins: [],
    Warnings: null,
  };
  if (options.format !== undefined && options.format !== "") {
    const facts = { ...info, ClientInfo: client };
    return await printFormatted(options.format, facts, { typeName: "system.dockerInfo" });
  }
  await writeOut(page(info));
  for (const line of (info.Warnings ?? []) as string[]) console.error(line);
  return 0;
}

const PROXIES = [
  ["HttpProxy", "HTTP Proxy"],
  ["HttpsProxy", "HTTPS Proxy"],
  ["NoProxy", "No Proxy"],
] as const;

function page(info: Record<string, unknown>): string {
  const plugins = info.Plugins as Record<string, string[] | null>;
  const security = (info.SecurityOptions as string[]).flatMap((option) => {
    const [name, ...more] = option.replace(/^name=/, "").split(",");
    return [`  ${name}`, ...more.map((word) => `   ${word.replace(/^profile=/, "Profile: ")}`)];
  });
  const lines = [
    "Client:",
    ` Version:    ${VERSION}`,
    " Context:    default",
    " Debug Mode: false",
    "",
    "Server: (the same program: there is no daemon)",
    ` Containers: ${info.Containers}`,
    `  Running: ${info.ContainersRunning}`,
    `  Paused: ${info.ContainersPaused}`,
    `  Stopped: ${info.ContainersStopped}`,
    ` Images: ${info.Images}`,
    ` Server Version: ${info.ServerVersion}`,
    ` Storage Driver: ${info.Driver}`,
    ...(info.DriverStatus as [string, string][]).map(([key, value]) => `  ${key}: ${value}`),
    ` Logging Driver: ${info.LoggingDriver}`,
    ` Cgroup Driver: ${info.CgroupDriver}`,
    ` Cgroup Version: ${info.CgroupVersion}`,
    `  Controllers: ${(info.CgroupControllers as string[]).join(" ")}`,
    `  Missing: ${(info.CgroupControllersMissing as string[]).join(" ")}`,
    " Plugins:",
    ...["Volume", "Network", "Log"].map((kind) => `  ${kind}: ${plugins[kind]!.join(" ")}`),
    " Swarm: inactive",
    ` Runtimes: ${Object.keys(info.Runtimes as object).join(" ")}`,
    ` Default Runtime: ${info.DefaultRuntime}`,
    ...(security.length > 0 ? [" Security Options:", ...security] : []),
    ` Kernel Version: ${info.KernelVersion}`,
    ` Operating System: ${info.OperatingSystem}`,
    ` OSType: ${info.OSType}`,
    ` Architecture: ${info.Architecture}`,
    ` CPUs: ${info.NCPU}`,
    ` Total Memory: ${formatMemory(info.MemTotal as number)}`,
    ` Name: ${info.Name}`,
    ` ID: ${info.ID}`,
    ` Docker Root Dir: ${info.DockerRootDir}`,
    " Debug Mode: false",
    ...PROXIES.filter(([key]) => info[key] !== "").map(([key, title]) => ` ${title}: ${info[key]}`),
    " Experimental: false",
    ` Live Restore Enabled: ${info.LiveRestoreEnabled}`,
  ];
  return lines.join("\n") + "\n\n";
}
