import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { FakeProcess } from "../../test/fake-io.js";
import { ARCHITECTURES } from "./architectures.js";

const folder = mkdtempSync(join(tmpdir(), "hypercraft-pc-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const sector = join(folder, "sector");

// mov dx, 0x3f8; mov si, 0x7c20; lodsb; test al, al; jz +3; out dx, al; jmp back; mov al, 1; out 0xf4, al
const bytes = new Uint8Array(512);
bytes.set([
  0xba, 0xf8, 3, 0xbe, 0x20, 0x7c, 0xac, 0x84, 0xc0, 0x74, 3, 0xee, 0xeb, 0xf8, 0xb0, 1, 0xe6, 0xf4,
]);
bytes.set(new TextEncoder().encode("a PC\n\0"), 0x20);
bytes.set([0x55, 0xaa], 510);
writeFileSync(sector, bytes);

async function runPc(...args: string[]) {
  const process = new FakeProcess({ architectures: ARCHITECTURES });
  process.stdin.end();
  const code = await process.run("run", "--arch", "x86-64", ...args);
  return { code, out: process.stdout.text, err: process.stderr.text };
}

test.each([[[]], [["--mode", "bare"]]])(
  "a boot sector writes to the serial port and ends the machine, %j",
  async (mode) => {
    const { code, out } = await runPc(...mode, "--kernel", sector);
    expect([code, out]).toEqual([3, "a PC\n"]);
  },
);

const flat = join(folder, "flat");
writeFileSync(
  flat,
  Uint8Array.from([
    // cmp eax, 0x2badb002; jne fail; cmp dword [ebx], 0; jne fail; push cs; pop ecx; cmp ecx, 8; jne fail
    ...[0x3d, 0x02, 0xb0, 0xad, 0x2b, 0x75, 0x1a, 0x83, 0x3b, 0x00, 0x75, 0x15],
    ...[0x0e, 0x59, 0x83, 0xf9, 0x08, 0x75, 0x0e],
    // mov dx, 0x3f8; mov al, "!"; out dx, al; mov al, 1; out 0xf4, al; fail: mov al, 2; out 0xf4, al
    ...[0x66, 0xba, 0xf8, 0x03, 0xb0, 0x21, 0xee, 0xb0, 1, 0xe6, 0xf4, 0x90, 0x90, 0x90, 0xb0, 2, 0xe6, 0xf4],
  ]),
);
const ownBios = join(folder, "bios");
// mov al, 5; out 0xf4, al
writeFileSync(ownBios, Uint8Array.of(0xb0, 5, 0xe6, 0xf4));

test.each([[[]], [["--mode", "bare"]]])(
  "a BIOS of ours enters a flat kernel in protected mode, %j",
  async (mode) => {
    const { code, out } = await runPc(...mode, "--guest-bios", "--kernel", flat, "--memory", "16M");
    expect([code, out]).toEqual([3, "!"]);
    // Where the kernel is among what is loaded.
    expect((await runPc(...mode, "--guest-bios", "--load", `${flat}@0x200000`)).out).toBe("!");
  },
);

test.each([[[]], [["--mode", "bare"]]])(
  "a guest BIOS that is given starts in real mode, %j",
  async (mode) => {
    const { code } = await runPc(...mode, `--guest-bios=${ownBios}`, "--kernel", flat);
    expect(code).toBe(11);
  },
);

test("a snapshot knows of the guest BIOS", async () => {
  const file = join(folder, "snapshot");
  const save = ["--snapshot-at", "1", "--snapshot-to", file];
  const bioses = [
    ["--guest-bios", "the guest BIOS"],
    [`--guest-bios=${ownBios}`, ownBios],
  ] as const;
  for (const [option, name] of bioses) {
    await runPc(option, "--kernel", flat, "--memory", "16M", ...save);
    const process = new FakeProcess({ architectures: ARCHITECTURES });
    expect(await process.run("snapshot", "info", file)).toBe(0);
    expect(process.stdout.text).toContain(`images        ${name}, ${folder}`);
  }
});

test("modules come with their command lines", async () => {
  const kernel = join(folder, "with-modules");
  // The header; mov esi, [ebx + 24]; mov esi, [esi + 24]: the second module's line, which is written to the console.
  const header = [0x02, 0xb0, 0xad, 0x1b, 0, 0, 1, 0, 0xfe, 0x4f, 0x51, 0xe4];
  const addresses = [0, 0x10_0000, 0x10_0000, 0, 0, 0x10_0020];
  const words = new Uint8Array(new Uint32Array(addresses.slice(1)).buffer);
  const code = [
    ...[0x8b, 0x73, 24, 0x8b, 0x76, 24, 0x66, 0xba, 0xf8, 0x03, 0xac, 0x84, 0xc0, 0x74, 3, 0xee, 0xeb, 0xf8],
    ...[0xb0, 1, 0xe6, 0xf4],
  ];
  writeFileSync(kernel, Uint8Array.from([...header, ...words, ...code]));
  const { code: exit, out } = await runPc(
    "--kernel",
    kernel,
    "--module",
    flat,
    "--module",
    `${sector},-x a,b`,
  );
  expect([exit, out]).toEqual([3, `${sector} -x a,b`]);
});

test.each([[[]], [["--mode", "bare"]]])(
  "with nothing to run, it runs the embedded guest, %j",
  async (mode) => {
    const guest = ["--memory", "16M", "--append", "run=hello run=badinst,2"];
    const { code, out } = await runPc(...mode, ...guest);
    expect(out).toContain("hypercraft embedded guest, x86_64");
    expect(out).toContain("Hello from user mode!");
    // What failed is told by isa-debug-exit.
    expect(code).toBe(3);
  },
);

test.each([
  [["--kernel", sector, "--dtb", sector], "--dtb: the x86-64 machine has no such option"],
  [["--guest-bios"], "--guest-bios needs --kernel FILE"],
  [["--guest-bios", "--bios", sector], "--bios and --guest-bios exclude each other"],
  [["--guest-bios", "--kernel", flat, "--append", "x"], "a guest BIOS takes no kernel with a command line"],
  [["--guest-bios", "--kernel", flat, "--module", flat], "a guest BIOS takes no kernel with modules"],
  [["--module", sector], "--module needs --kernel FILE"],
  [["--kernel", flat, "--module", sector], `has no boot protocol that would tell it of ${sector}`],
  [["--kernel", flat, "--module", ",x"], "--module: a file's name is missing"],
  [["--kernel", sector, "--dump-dtb", join(folder, "x")], "this machine has no device tree"],
])("%j is refused", async (args, message) => {
  const { code, err } = await runPc(...args);
  expect(code).toBe(2);
  expect(err).toContain(message);
});
