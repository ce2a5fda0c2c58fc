import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { GuestError } from "../errors.js";

/** Debian's own mirror network, for hosts that name no mirror. */
export const DEFAULT_MIRROR = "http://deb.debian.org/debian";

export type MirrorOrigin = "option" | "environment" | "apt" | "default";

export interface MirrorCandidate {
  /** Base of the archive, without a trailing slash: `dists/` and `pool/` are below it. */
  readonly url: string;
  readonly origin: MirrorOrigin;
}

/**
 * Mirrors to try in order. One named by option or environment (`HYPERCRAFT_MIRROR`) is the only one;
 * otherwise the host's apt sources are asked for Debian mirrors, whatever suite they name, and Debian's
 * default comes last. Throws `BadMirror` when a named one is not an http or https URL.
 *
 * @param aptFolder the host's apt configuration, `/etc/apt` by default.
 */
export async function mirrorCandidates(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  aptFolder = "/etc/apt",
): Promise<MirrorCandidate[]> {
  if (option !== undefined) return [{ url: namedMirror(option, "--mirror"), origin: "option" }];
  const fromEnv = env.HYPERCRAFT_MIRROR;
  if (fromEnv !== undefined && fromEnv !== "") {
    return [{ url: namedMirror(fromEnv, "HYPERCRAFT_MIRROR"), origin: "environment" }];
  }
  const urls = (await aptMirrors(aptFolder)).filter((url) => url !== DEFAULT_MIRROR);
  const candidates = urls.map((url): MirrorCandidate => ({ url, origin: "apt" }));
  return [...candidates, { url: DEFAULT_MIRROR, origin: "default" }];
}

function namedMirror(text: string, where: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new GuestError("BadMirror", `${where}: ${JSON.stringify(text)} is not an http or https URL`);
  }
  return withoutSlash(text);
}

async function aptMirrors(folder: string): Promise<string[]> {
  const parts = await readdir(join(folder, "sources.list.d")).catch(() => []);
  const files = ["sources.list", ...parts.sort().map((name) => join("sources.list.d", name))];
  const urls: string[] = [];
  for (const file of files) {
    const parse = file.endsWith(".sources") ? parseDeb822 : file.endsWith(".list") ? parseOneLine : undefined;
    const text = parse && (await readFile(join(folder, file), "utf8").catch(() => ""));
    if (parse && text) urls.push(...parse(text));
  }
  return [...new Set(urls)];
}

/**
 * Mirrors in a one-line-style `sources.list`: `deb [options] URI suite component...`. Only entries that
 * look like Debian's main archive count (component main, a path ending in /debian, http or https); the
 * Release file is what decides later.
 */
export function parseOneLine(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const words = line
      .replace(/#.*/, "")
      .replace(/\[[^\]]*\]/, " ")
      .trim()
      .split(/\s+/);
    const [type, url, suite, ...components] = words;
    const fits = type === "deb" && url !== undefined && suite !== undefined && components.includes("main");
    return fits && looksLikeDebian(url) ? [withoutSlash(url)] : [];
  });
}

/** The same for deb822-style `.sources` files (sources.list(5)). */
export function parseDeb822(text: string): string[] {
  const withoutComments = text.replace(/^#.*\n?/gm, "");
  return withoutComments.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = new Map<string, string[]>();
    for (const line of stanza.replace(/\n[ \t]+/g, " ").split("\n")) {
      const colon = line.indexOf(":");
      if (colon > 0)
        fields.set(
          line.slice(0, colon).trim().toLowerCase(),
          line
            .slice(colon + 1)
            .trim()
            .split(/\s+/),
        );
    }
    const has = (field: string, word: string): boolean => fields.get(field)?.includes(word) ?? false;
    const disabled = /^(?:no|false|without|off|disable|0)$/.test(
      fields.get("enabled")?.[0]?.toLowerCase() ?? "",
    );
    if (disabled || !has("types", "deb") || !has("components", "main")) return [];
    return (fields.get("uris") ?? []).filter(looksLikeDebian).map(withoutSlash);
  });
}

function looksLikeDebian(url: string): boolean {
  return /^https?:\/\/.+\/debian\/*$/.test(url);
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}
