import { expect, test } from "vitest";
import { ARCHITECTURES, type BenchArchitecture } from "./architectures.ts";
import { hypercraftCommand, qemuCommand } from "./sides.ts";

const [riscv64, arm64] = ARCHITECTURES as [BenchArchitecture, BenchArchitecture];
const guest = { architecture: riscv64, kernel: "K", initrd: "I", append: "console=ttyS0", memory: 256 };

test("both sides get the same guest", () => {
  const ours = hypercraftCommand("/repo", guest, { mode: "vm", tier: "auto", firmware: "F" }, ["--cpu-prof"]);
  expect(ours.slice(1).join(" ")).toBe(
    "--cpu-prof /repo/apps/runner/bin/hypercraft.js run --arch riscv64 --memory 256M " +
      "--kernel K --initrd I --append console=ttyS0 --mode vm --tier auto",
  );
  expect(qemuCommand(["nice", "qemu"], guest).join(" ")).toBe(
    "nice qemu -M virt -accel tcg -smp 1 -m 256M -nographic -no-reboot " +
      "-kernel K -initrd I -append console=ttyS0",
  );
});

test("bare mode has firmware", () => {
  const bare = hypercraftCommand("/repo", guest, { mode: "bare", tier: "cold", firmware: "F" });
  expect(bare.join(" ")).toContain(" --bios F --mode bare --tier cold");
});

test("AArch64 has no firmware, and a processor of its own under QEMU", () => {
  const arm = { ...guest, architecture: arm64 };
  const bare = hypercraftCommand("/repo", arm, { mode: "bare", tier: "auto", firmware: "F" }).join(" ");
  expect(bare).toContain("run --arch arm64 --memory 256M");
  expect(bare).not.toContain("--bios");
  expect(qemuCommand(["qemu"], arm).join(" ")).toContain("qemu -M virt -cpu cortex-a53 -accel tcg");
});
