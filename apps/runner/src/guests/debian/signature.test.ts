import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkSignature } from "./signature.js";

const installed = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;
const hasGpg = installed("gpg") && installed("gpgv") && installed("gpgconf");

describe("checkSignature without the tools", () => {
  it("says that nothing was checked where gpgv is missing", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hypercraft-keyring-"));
    const keyring = join(folder, "keyring.gpg");
    writeFileSync(keyring, "");
    const check = await checkSignature(Buffer.from("x"), { keyring, gpgv: join(folder, "no-such-gpgv") });
    expect(check).toEqual({ checked: false, reason: "gpgv is not installed" });
    rmSync(folder, { recursive: true });
  });

  it("refuses a keyring that was named and is not there", async () => {
    const check = checkSignature(Buffer.from("x"), { keyring: "/no/such/keyring.gpg" });
    await expect(check).rejects.toMatchObject({
      code: "BadSignature",
      message: expect.stringContaining("cannot be read"),
    });
  });
});

describe.skipIf(!hasGpg)("checkSignature with gpgv", () => {
  // Sockets of the key agent need a short path.
  const home = mkdtempSync(join(tmpdir(), "hcg-"));
  const keyring = join(home, "known.gpg");
  const gpg = (...args: string[]): void => {
    const result = spawnSync("gpg", ["--homedir", home, "--batch", "--yes", "--passphrase", "", ...args]);
    if (result.status !== 0) throw new Error(`gpg ${args.join(" ")}: ${result.stderr}`);
  };
  const signedBy = (user: string, text: string): Buffer => {
    writeFileSync(join(home, "text"), text);
    gpg("--local-user", user, "--output", join(home, "signed"), "--clear-sign", join(home, "text"));
    return readFileSync(join(home, "signed"));
  };

  beforeAll(() => {
    gpg("--quick-generate-key", "Known <known@example.org>", "ed25519", "sign", "never");
    gpg("--quick-generate-key", "Stranger <stranger@example.org>", "ed25519", "sign", "never");
    gpg("--output", keyring, "--export", "known@example.org");
  });
  afterAll(() => {
    spawnSync("gpgconf", ["--homedir", home, "--kill", "all"]);
    rmSync(home, { recursive: true, force: true });
  });

  it("names the signer of a good signature", async () => {
    const check = await checkSignature(signedBy("known@example.org", "Origin: Debian\n"), { keyring });
    expect(check).toEqual({ checked: true, signers: ["Known <known@example.org>"] });
  });

  it("refuses an altered text", async () => {
    const message = signedBy("known@example.org", "Origin: Debian\n").toString().replace("Debian", "Nobody");
    await expect(checkSignature(Buffer.from(message), { keyring })).rejects.toMatchObject({
      code: "BadSignature",
    });
  });

  it("refuses a signature by a stranger, and no signature at all", async () => {
    const message = signedBy("stranger@example.org", "Origin: Debian\n");
    await expect(checkSignature(message, { keyring })).rejects.toMatchObject({ code: "BadSignature" });
    await expect(checkSignature(Buffer.from("Origin: Debian\n"), { keyring })).rejects.toMatchObject({
      code: "BadSignature",
    });
  });
});
