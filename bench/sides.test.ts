import { expect, test } from "vitest";
import { hypercraftCommand, qemuCommand } from "./sides.ts";

const guest = { kernel: "K", initrd: "I", append: "console=ttyS0", memory: 256 };

test("both sides get the same guest", () => {
  const ours = hypercraftCommand("/repo", guest, { mode: "vm", tier: "auto", firmware: "F" }, ["--cpu-prof"]);
  expect(ours.slice(1).join(" ")).toBe(
    "--cpu-prof /repo/apps/runner/bin/hypercraft.js run --memory 256M " +
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
