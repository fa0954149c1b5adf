import { API_VERSION, COMMIT, MIN_API_VERSION, VERSION } from "../base/version.ts";
import { type CommandSpec, parseArgs } from "./args.ts";

export const spec = {
  name: "version",
  usage: "[OPTIONS]",
  summary: "Show the version of Diplodock",
  args: [0, 0],
  flags: {
    format: {
      type: "string",
      short: "f",
      help: "Format output using a custom template:\n'json':             Print in JSON format\n" +
        "'TEMPLATE':         Print output using the given Go template.",
    },
  },
  examples: ["diplodock version --format '{{.Server.Version}}'"],
} as const satisfies CommandSpec;

function facts(): Record<string, unknown> {
  const common = {
    Version: VERSION,
    ApiVersion: API_VERSION,
    GitCommit: COMMIT,
    Os: "linux",
    Arch: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
  };
  // There is no server: the client is the engine. Scripts ask for .Server all the same.
  return {
    Client: { ...common, DefaultAPIVersion: API_VERSION, Context: "default" },
    Server: { ...common, MinAPIVersion: MIN_API_VERSION, KernelVersion: Deno.osRelease() },
  };
}

/** `diplodock version`. */
export async function command(args: string[]): Promise<number> {
  const { options } = parseArgs(spec, args);
  if (options.format !== undefined && options.format !== "") {
    const { printFormatted } = await import("./output.ts");
    const { toGo } = await import("./template/go_value.ts");
    const { DOCKER_TYPES } = await import("./inspect_types.ts");
    const typed = toGo(facts(), "VersionInfo", DOCKER_TYPES);
    return await printFormatted(options.format, typed, { name: "version" });
  }
  const lines = [
    ["Version:", VERSION],
    ["API version:", API_VERSION],
    ["Git commit:", COMMIT],
    ["OS/Arch:", `linux/${Deno.build.arch === "aarch64" ? "arm64" : "amd64"}`],
    ["Kernel:", Deno.osRelease()],
  ];
  console.log("Diplodock (client and engine are one program)");
  for (const [key, value] of lines) console.log(` ${key.padEnd(18)}${value}`);
  return 0;
}
