import {
  DeviceTree,
  LoadPlan,
  patchChosen,
  placeKernel,
  RISCV64,
  readKernel,
  writeFdt,
} from "@hypercraft/machine";

const plan = new LoadPlan([{ base: 0x8000_0000, size: 16 * 1024 * 1024 }]);
const kernel = await readKernel(Uint8Array.of(0x6f, 0, 0, 0), "loop.bin", RISCV64);
const { entry } = placeKernel(plan, kernel, { address: 0x8020_0000 });
const initrd = plan.fit({ name: "initrd", bytes: new Uint8Array(3000), prefer: "high" });

const tree = new DeviceTree();
patchChosen(tree, { bootargs: "console=ttyS0", initrd });
const dtb = plan.fit({ name: "dtb", bytes: writeFdt(tree), alignment: 8, above: initrd.address });
console.log([entry, initrd.address, dtb.address].map((address) => address.toString(16)).join(" "));

const elf = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1);
console.log(await readKernel(elf, "vmlinux", RISCV64).catch((error: Error) => error.message));
