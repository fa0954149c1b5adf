/** What a start leaves running must not end with the unit of systemd that the start is run by. */
import { isRootless } from "../base/places.ts";
import { bringApart, goApart } from "../runtime/apart.ts";

/** To be called before anything is started that outlives this command. */
export async function leaveUnit(): Promise<void> {
  if (goApart().length === 0 || !isRootless()) return;
  const { namespaceHolder } = await import("./rootless.ts");
  const holder = namespaceHolder();
  if (holder !== undefined) bringApart(holder);
}
