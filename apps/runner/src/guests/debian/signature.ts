import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { GuestError } from "../errors.js";

/** Where Debian's keyring package puts the archive keys. */
const KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

export type SignatureCheck =
  | { readonly checked: true; readonly signers: readonly string[] }
  | { readonly checked: false; readonly reason: string };

export interface SignatureOptions {
  /** Keyring to check against instead of Debian's; must exist. */
  readonly keyring?: string | undefined;
  /** Program to check with; `gpgv` from the search path by default. */
  readonly gpgv?: string | undefined;
}

/**
 * Checks a clear-signed message with gpgv, where it and the keyring are installed; says why not where
 * they are not. Throws `BadSignature` when a signature is bad, or when none is by a key of the keyring.
 */
export async function checkSignature(
  message: Uint8Array,
  options: SignatureOptions = {},
): Promise<SignatureCheck> {
  const keyring = await firstReadable(options.keyring === undefined ? KEYRINGS : [options.keyring]);
  if (keyring === undefined) {
    if (options.keyring === undefined)
      return { checked: false, reason: "the Debian keyring is not installed" };
    throw new GuestError("BadSignature", `the keyring ${options.keyring} cannot be read`);
  }
  const result = await runGpgv(options.gpgv ?? "gpgv", keyring, message);
  if (result === undefined) return { checked: false, reason: "gpgv is not installed" };
  const keyword = (word: string): string[] =>
    result.status.flatMap((line) =>
      line.startsWith(`[GNUPG:] ${word} `) ? [line.split(" ").slice(3).join(" ")] : [],
    );
  const signers = keyword("GOODSIG");
  if (keyword("BADSIG").length > 0) {
    throw new GuestError("BadSignature", "the mirror's InRelease has a bad signature: it was altered");
  }
  if (signers.length === 0) {
    const detail = result.message.split("\n").at(-1) ?? "";
    throw new GuestError(
      "BadSignature",
      `the mirror's InRelease is not signed by a key of ${keyring}: ${detail}`,
    );
  }
  return { checked: true, signers };
}

async function firstReadable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const readable = await access(path).then(
      () => true,
      () => false,
    );
    if (readable) return path;
  }
  return undefined;
}

interface GpgvResult {
  /** Lines of the status protocol (GnuPG's doc/DETAILS). */
  readonly status: readonly string[];
  readonly message: string;
}

/** Undefined when the program is not there. */
function runGpgv(program: string, keyring: string, message: Uint8Array): Promise<GpgvResult | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["--status-fd", "1", "--keyring", keyring, "--", "-"], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    child.stdin.on("error", () => {}); // it may end before it has read everything: the status says why
    child.on("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") resolve(undefined);
      else reject(new GuestError("BadSignature", `${program} cannot be run: ${cause.message}`, { cause }));
    });
    child.on("close", () => {
      const status = Buffer.concat(output).toString("utf8").split("\n");
      resolve({ status, message: Buffer.concat(errors).toString("utf8").trim() });
    });
    child.stdin.end(message);
  });
}
