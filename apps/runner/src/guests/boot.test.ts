// Boots the pulled guests under QEMU, where both are on this machine: what hypercraft is compared with.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { READY_LINE } from "./image/scripts.js";
import { listGuests } from "./pull.js";

/** By Debian's name of the architecture. */
const QEMU: Readonly<Record<string, readonly [command: string, ...board: string[]]>> = {
  riscv64: ["qemu-system-riscv64", "-M", "virt"],
  arm64: ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53"],
};
const subjects = (await listGuests()).flatMap(({ recipe, pulled }) => {
  const qemu = QEMU[recipe.architecture];
  if (pulled === undefined || qemu === undefined) return [];
  const present = spawnSync(qemu[0], ["--version"]).status === 0;
  return present ? [{ name: recipe.name, guest: pulled, qemu }] : [];
});

/** How long anything the guest is asked for may take, on a busy machine. */
const PATIENCE_MS = 50_000;

/** A console to type at. */
class Console {
  readonly #child: ChildProcess;
  #output = "";
  #wake: () => void = () => {};

  constructor([command, ...board]: readonly [string, ...string[]], args: readonly string[]) {
    const machine = [...board, "-m", "256M", "-nographic", "-no-reboot"];
    this.#child = spawn(command, [...machine, ...args], { stdio: ["pipe", "pipe", "ignore"] });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#output += chunk.toString("latin1");
      this.#wake();
    });
    this.#child.on("close", () => this.#wake());
    onTestFinished(() => void this.#child.kill("SIGKILL"));
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** What was printed up to and with the match, which is then gone; fails when QEMU ends before it. */
  async until(pattern: RegExp): Promise<string> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) {
        const end = match.index + match[0].length;
        const text = this.#output.slice(0, end);
        this.#output = this.#output.slice(end);
        return text;
      }
      const over = this.#child.exitCode !== null || Date.now() > deadline;
      if (over) throw new Error(`no ${pattern} on the console: ${this.#output.slice(-2000)}`);
      await this.#change();
    }
  }

  async exitCode(): Promise<number | null> {
    const deadline = Date.now() + PATIENCE_MS;
    while (this.#child.exitCode === null && Date.now() < deadline) await this.#change();
    return this.#child.exitCode;
  }

  /** Waits for output, the end, or half a second. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, 500);
    });
  }
}

const PROMPT = /\/ # /;

// A suite without tests is an error.
test.skipIf(subjects.length > 0)("no guest is pulled that QEMU could boot", () => {});

describe.each(subjects)("the pulled guest $name under QEMU", ({ guest, qemu }) => {
  const kernel = ["-kernel", guest.kernel, "-initrd", guest.initrd];
  const lines = guest.manifest.commandLines;

  it("comes to a shell in the initramfs, with job control and poweroff -f", async () => {
    const console = new Console(qemu, [...kernel, "-append", lines.initramfs]);
    await console.until(new RegExp(READY_LINE));
    await console.until(PROMPT);
    console.type("ls -1 /\n");
    expect(await console.until(PROMPT)).toMatch(/\nbin\r.*\ninit\r.*\nnewroot\r/s);
    console.type("sleep 1000\n");
    await console.until(/sleep 1000\r\n/);
    await new Promise((resolve) => setTimeout(resolve, 500));
    console.type("\x03");
    await console.until(PROMPT);
    console.type("poweroff -f\n");
    await console.until(/reboot: Power down/);
    expect(await console.exitCode()).toBe(0);
  });

  it("comes to a shell with its root on virtio-blk, and powers off cleanly", async () => {
    const drive = `file=${guest.disk},format=raw,if=none,id=d,snapshot=on`;
    const disk = ["-drive", drive, "-device", "virtio-blk-device,drive=d"];
    const console = new Console(qemu, [...kernel, ...disk, "-append", lines.disk]);
    expect(await console.until(new RegExp(`${READY_LINE}[^\n]*\n`))).toMatch(/root on \/dev\/vda, ext4\)/);
    await console.until(PROMPT);
    console.type("echo $((6 * 7)) > /root/file && sync && cat /root/file && df /\n");
    expect(await console.until(PROMPT)).toMatch(/\n42\r\n.*\/dev\/vda/s);
    console.type("poweroff\n");
    expect(await console.until(/reboot: Power down/)).not.toMatch(/umount|error/i);
    expect(await console.exitCode()).toBe(0);
  });
});
