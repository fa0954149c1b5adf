export function scriptOf(_: unknown): string {
  return "";
}
