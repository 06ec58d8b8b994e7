/** `cali+` is every device whose name begins so. */
export function deviceLike(pattern: string): (device: string) => boolean {
  if (!pattern.endsWith('+')) return (device) => device === pattern;
  const prefix = pattern.slice(0, -1);
  return (device) => device.startsWith(prefix);
}
