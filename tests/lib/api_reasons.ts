/** Why single values of the API differ from docker's wherever they are told. */
import type { Reason } from "./api_answers.ts";

const GONE = [
  ...["HostConfig\\.KernelMemory(TCP)?", "DockerVersion"],
  ...["BridgeNf\\w+", "KernelMemory(TCP)?", "Error: null$"],
];
const NEW = [
  "DNSNames",
  "GwPriority",
  "EnableIPv4",
  "os_type",
  "MaskedPaths\\[\\]",
  "DockerVersion",
];
const NOT_HERE = [
  ...["BuildTime", "GoVersion", "(Containerd|Init|Runc)Commit\\.\\w+", "InitBinary"],
  ...["N(EventsListener|Fd|Goroutines)", "GenericResources", "RegistryConfig\\..*"],
  ...["Runtimes\\..*", "Swarm\\.(NodeAddr|RemoteManagers)"],
];

/** One row for each heading of docs/docker-differences.md. */
export const FIELDS: readonly Reason[] = [
  {
    why: "fields of docker 28",
    lines: new RegExp(`^[^]*\\n(- \\S*\\.(${GONE.join("|")})|\\+ \\S*\\.(${NEW.join("|")}))`),
  },
  {
    why: "fields of docker 28",
    lines: /\n[-+] (\.HostConfig\.NetworkMode: "(default|bridge)"|\S*\.IPAM\.Config: (\[\]|null))/,
  },
  {
    why: "fields of docker 28",
    lines:
      /\n([-+] \S*\.Labels(\.com\.docker\.volume\.anonymous)?: (null|""|<string>)|- \S*\.Aliases\[\]: )/,
  },
  { why: "fields of docker 28", lines: /\n[-+] \.Container(Config\.\S+)?: / },
  { why: "fields of docker 28", lines: /^GET .*\/logs[^]*\n[-+] 200/ },
  { why: "fields of docker 28", lines: /_ping\n[-+] \((api-version|builder-version|swarm)\)/ },
  { why: "fields of our own", lines: /\n\+ \.CreateCommand\[/ },
  { why: "what only docker has", lines: new RegExp(`\\n- \\S*\\.(${NOT_HERE.join("|")})`) },
  {
    why: "storage driver",
    lines: /\n[-+] \.(Driver: "(vfs|overlay2)"|GraphDriver\.)/,
  },
  {
    why: "defaults are written out",
    lines:
      /\n[-+] \.HostConfig\.(Blkio\w+|Devices|Dns\w*|Ulimits|PortBindings|RestartPolicy\.Name|Runtime): /,
  },
  { why: "defaults are written out", lines: /\n[-+] \.(Hostname|Hosts|Log|ResolvConf)Path: / },
  {
    why: "no endpoint without a network",
    lines:
      /\n[-+] (\S*\.Networks\.none\.(Endpoint|Network)ID|\.NetworkSettings\.Sandbox(ID|Key)): /,
  },
  {
    why: "lists tell more",
    lines:
      /^GET \S*\/(containers\/json|system\/df)[^]*\n[-+] \[0\](\.Mounts\S*\.Source|\.NetworkSettings\S*\.Aliases)/,
  },
  { why: "lists tell more", lines: /\n\+ \S*\.IPAM\.Config\[\d\]\.Gateway: / },
  { why: "networks of our own", lines: /\n[-+] \S*(bridge\.name: "|\.IPPrefixLen: (16|24)$)/ },
  {
    why: "networks of our own",
    lines: /\n[-+] \.NetworkSettings\.Networks\.full\.(IPv6)?Gateway: /,
  },
];
