import { Plic } from "@hypercraft/arch-riscv";
import { Vm, DeviceBus, DeadlineQueue, hostPhysAddr, HyperError, isVirtualClock, MemoryHal, VmCpus } from "@hypercraft/hypercraft";
import { InputQueue } from "../console/bytes.js";
import type { Stateful } from "../contracts.js";
import { Clint } from "../devices/clint.js";
import type { Device } from "../devices/device.js";
import { GoldfishRtc } from "../devices/goldfish-rtc.js";
import { Htif } from "../devices/htif.js";
import { Ns16550a } from "../devices/ns16550a.js";
import { SeededEntropy } from "../devices/seeded-entropy.js";
import { TestFinisher } from "../devices/test-finisher.js";
import { VirtioBlock } from "../devices/virtio/block.js";
import type { VirtioDevice } from "../devices/virtio/device.js";
import { VirtioEntropy } from "../devices/virtio/entropy.js";
import { VirtioMmio } from "../devices/virtio/mmio.js";
import { bytesText, MachineError } from "../errors.js";
import { type DeviceIo, RealTimeIo, VirtualTimeIo } from "../io/device-io.js";
import { BusMemory } from "../memory/guest-memory.js";
import { FRAME_SIZE, HostMemory, MAX_HOST_MEMORY, WASM_PAGE_SIZE } from "../memory/host-memory.js";
import { SystemBus } from "../memory/system-bus.js";
import { ADDRESS_MAPS, type AddressMap } from "./riscv-virt/address-map.js";
import { type BootPlan, planBoot } from "./riscv-virt/boot.js";
import { boardTree, type PlacedDevice } from "./riscv-virt/device-tree.js";
import { bareHarts, type BoardHarts, guestHarts } from "./riscv-virt/harts.js";
import { RiscvVirtMachine } from "./riscv-virt/machine.js";
import { DEFAULT_EPOCH_NS, DEFAULT_MEMORY, MAX_CPUS, type RiscvVirtOptions } from "./riscv-virt/options.js";
import { mapGuestRam, noSecondStage } from "./riscv-virt/second-stage.js";

export { ADDRESS_MAPS, type AddressMap, type AddressMapName, HCHYPER_MAP, QEMU_MAP } from "./riscv-virt/address-map.js";
export { type MachineEnd, type MachineRunOptions, type MachineStatistics, RiscvVirtMachine } from "./riscv-virt/machine.js";
export type { NamedBytes, RiscvVirtOptions } from "./riscv-virt/options.js";

/** The engine's share of host memory: states, TLBs and the code cache. */
const ARENA = 64 << 20;
/** Host-physical address of the frames under the hypervisor; unlike any guest's, so that a mix-up shows. */
const HOST_RAM_BASE = 0x1_0000_0000;
/** Frames for second-stage tables, beyond what RAM itself needs. */
const TABLE_SPACE = 4 << 20;
/** Large pages of the second stage. */
const LARGE_PAGE_FRAMES = 512;
const MIN_MEMORY = 4 << 20;
const MAX_MEMORY = MAX_HOST_MEMORY - ARENA - TABLE_SPACE - (LARGE_PAGE_FRAMES * FRAME_SIZE);

const A0 = 10;
const A1 = 11;
const A2 = 12;

/** Completes timers that move nearer while the guest runs: the slice ends and is measured anew. */
class SliceCuttingQueue extends DeadlineQueue {
  onNearer: () => void = () => {};

  override schedule(...args: Parameters<DeadlineQueue["schedule"]>): ReturnType<DeadlineQueue["schedule"]> {
    const nearer = args[0] < this.nextDeadline();
    const handle = super.schedule(...args);
    if (nearer) this.onNearer();
    return handle;
  }
}

/**
 * A RISC-V machine laid out like QEMU's `virt`, its images loaded and its harts at their first instruction.
 * Throws MachineError or HyperError with one line that names what was wrong.
 */
export async function createRiscvVirt(options: RiscvVirtOptions): Promise<RiscvVirtMachine> {
  const { mode = "vm", memory = DEFAULT_MEMORY, cpus = 1, clock } = options;
  checkOptions(options, mode, memory, cpus);
  const map = ADDRESS_MAPS[options.map ?? "qemu"];
  const total = ARENA + memory + map.mrom.size + TABLE_SPACE + LARGE_PAGE_FRAMES * FRAME_SIZE;
  const host = new HostMemory({ size: Math.ceil(total / WASM_PAGE_SIZE) * WASM_PAGE_SIZE, arenaSize: ARENA });
  const hal = new MemoryHal({ memory: host.memory, clock, base: hostPhysAddr(HOST_RAM_BASE), offset: ARENA });
  const bus = new SystemBus(host);
  const hpa = hal.allocPages(memory / FRAME_SIZE, LARGE_PAGE_FRAMES);
  if (hpa === undefined) throw new HyperError("NoMemory", `no room for ${bytesText(memory)} of guest RAM`);
  bus.addRam({ name: "RAM", base: map.ram.base, size: memory, offset: hal.physToVirt(hpa) });
  const guestMemory = new BusMemory(bus);

  const timers = new SliceCuttingQueue();
  const io: DeviceIo = isVirtualClock(clock) ? new VirtualTimeIo({ clock, timers }) : new RealTimeIo({ timers });
  const input = new InputQueue();
  const entry = 0;
  const wiring = { host, bus, clock, cpus, entry };
  if (mode === "bare") addRom(bus, hal, map);
  const harts = mode === "bare" ? bareHarts(wiring) : guestHarts(wiring, hal);
  let machine: RiscvVirtMachine | undefined;
  const plic = new Plic({ sources: map.plic.sources, contexts: harts.contexts });
  const finisher = new TestFinisher((event) => {
    if (event.kind === "reset") machine?.end({ kind: "reset" });
    else machine?.end({ kind: "shutdown", failure: event.kind === "fail", code: event.kind === "fail" ? event.code : 0 });
  });
  const components = new Map<string, Stateful>();
  const devices = createDevices({ options, map, plic, guestMemory, timers, io, input, components });
  const clint = mode === "bare" ? createClint(harts, cpus, options, timers) : undefined;
  if (clint !== undefined) components.set("clint", clint);

  const tree = boardTree({ map, memory, cpus, mode, devices, clint });
  const boot = await planBoot(options, map, memory, tree);

  const mmio = DeviceBus.mmio();
  const place = (name: string, base: number, size: number, device: Device | Plic): void => {
    bus.addDevice({ name, base, size, device });
    mmio.add({ name, base, size, device });
  };
  place("PLIC", map.plic.base, map.plic.size, plic);
  place("test finisher", map.testFinisher.base, map.testFinisher.size, finisher);
  if (clint !== undefined) place("CLINT", map.clint.base, map.clint.size, clint);
  for (const { name, base, size, device } of devices) place(name, base, size, device);

  const vcpus = new VmCpus<BoardHarts["vcpus"][number]>(MAX_CPUS);
  for (const vcpu of harts.vcpus) vcpus.addVcpu(vcpu);
  const console = { write: (bytes: Uint8Array) => options.console.write(bytes), read: () => input.read() };
  const vmid = 1;
  const vm = new Vm({
    vcpus,
    guestPageTable: mode === "vm" ? mapGuestRam(hal, map.ram.base, hpa, memory, vmid) : noSecondStage,
    vmid,
    clock,
    name: "riscv-virt",
    timers,
    mmio,
    console,
    memory: guestMemory,
    // No owner of the VM offers hypercalls of its own here.
    handlers: { hypercall: () => ({ kind: "status", status: "notSupported" }) },
  });
  boot.plan.load(guestMemory);
  start(vm, harts, boot, mode, map, guestMemory);
  const htif = createHtif(boot, guestMemory, options, (how) => machine?.end(how));
  if (htif !== undefined) components.set("htif", htif);
  if ("state" in clock && "restore" in clock) components.set("clock", clock as unknown as Stateful);
  machine = new RiscvVirtMachine({
    host, bus, harts, vm, plic, console: options.console, input, components, dtb: boot.dtb, elf: boot.elf, htif,
    config: { mode, memory, cpus, map: map.name, disks: options.disks?.length ?? 0, graphics: options.graphics ?? false,
      virtioVersion: options.virtioVersion ?? 2, seed: options.seed ?? 1 },
  });
  const running = machine;
  timers.onNearer = () => running.interruptRun();
  return machine;
}

function checkOptions(options: RiscvVirtOptions, mode: string, memory: number, cpus: number): void {
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS) {
    throw new MachineError("InvalidParam", `the board has 1 to ${MAX_CPUS} CPUs, not ${cpus}`);
  }
  if (!Number.isSafeInteger(memory) || memory % FRAME_SIZE !== 0) {
    throw new MachineError("NotAligned", `memory of ${memory} bytes is not a multiple of 4 KiB`);
  }
  if (memory < MIN_MEMORY || memory > MAX_MEMORY) {
    throw new MachineError("OutOfRange", `memory of ${bytesText(memory)} is outside ${bytesText(MIN_MEMORY)} to ${bytesText(MAX_MEMORY)}`);
  }
  if (options.firmware !== undefined && mode !== "bare") {
    throw new MachineError("InvalidParam", `${options.firmware.name}: firmware needs M-mode, which only bare mode has`);
  }
}

/** A page range for boot data below RAM, as QEMU's machine has it. */
function addRom(bus: SystemBus, hal: MemoryHal, { mrom }: AddressMap): void {
  const hpa = hal.allocPages(mrom.size / FRAME_SIZE, 1);
  if (hpa === undefined) throw new HyperError("NoMemory", "no room for the boot ROM");
  bus.addRam({ name: "boot ROM", base: mrom.base, size: mrom.size, offset: hal.physToVirt(hpa) });
}

interface NamedDevice extends PlacedDevice {
  readonly name: string;
}

interface DeviceContext {
  readonly options: RiscvVirtOptions;
  readonly map: AddressMap;
  readonly plic: Plic;
  readonly guestMemory: BusMemory;
  readonly timers: DeadlineQueue;
  readonly io: DeviceIo;
  readonly input: InputQueue;
  readonly components: Map<string, Stateful>;
}

function createDevices(context: DeviceContext): NamedDevice[] {
  const { options, map, plic, timers, input, components } = context;
  const { clock, console } = options;
  const uart = new Ns16550a({ irq: plic.line(map.uart.irq), sink: console, source: input, clock, timers });
  const rtc = new GoldfishRtc({ irq: plic.line(map.rtc.irq), clock, timers, epochNs: options.epochNs ?? DEFAULT_EPOCH_NS });
  components.set("uart", uart).set("rtc", rtc);
  return [
    { name: "UART", device: uart, ...map.uart },
    ...virtioSlots(context),
    { name: "RTC", device: rtc, ...map.rtc },
  ];
}

/** Disks from slot 0 on, then the entropy device; the other slots are empty. */
function virtioSlots({ options, map, plic, guestMemory, io, components }: DeviceContext): NamedDevice[] {
  const { virtio } = map;
  const entropy = new SeededEntropy(options.seed ?? 1);
  components.set("entropy", entropy);
  const disks = options.disks ?? [];
  const behind: VirtioDevice[] = [...disks.map((backEnd) => new VirtioBlock({ backEnd, io })), new VirtioEntropy(entropy)];
  if (behind.length > virtio.count) {
    throw new MachineError("OutOfRange", `the board has room for ${virtio.count - 1} disks, not ${disks.length}`);
  }
  disks.forEach((disk, i) => {
    if (disk.state !== undefined && disk.restore !== undefined) components.set(`disk${i}`, disk as unknown as Stateful);
  });
  return Array.from({ length: virtio.count }, (_, slot) => {
    const device = new VirtioMmio({
      irq: plic.line(virtio.irq + slot),
      memory: guestMemory,
      device: behind[slot],
      version: options.virtioVersion ?? 2,
    });
    components.set(`virtio${slot}`, device);
    return { name: `virtio slot ${slot}`, device, base: virtio.base + slot * virtio.stride, size: virtio.size, irq: virtio.irq + slot };
  });
}

function createClint(harts: BoardHarts, count: number, { clock }: RiscvVirtOptions, timers: DeadlineQueue): Clint {
  return new Clint({
    harts: {
      count,
      setSoftware: (hart, level) => harts.setSoftware(hart, level),
      setTimer: (hart, level) => harts.setTimer(hart, level),
    },
    clock,
    timers,
  });
}

/** Berkeley test programs talk through two words of their own. */
function createHtif(boot: BootPlan, memory: BusMemory, { console }: RiscvVirtOptions, end: (how: { kind: "shutdown"; failure: boolean; code: number }) => void): Htif | undefined {
  const tohost = boot.elf?.symbols.get("tohost");
  if (tohost === undefined) return undefined;
  const fromhost = boot.elf?.symbols.get("fromhost");
  return new Htif({
    memory,
    tohost: Number(tohost.address),
    fromhost: fromhost && Number(fromhost.address),
    sink: console,
    onExit: (code) => end({ kind: "shutdown", failure: code !== 0, code }),
  });
}

/** Give the harts their first state: a0 hart id, a1 device tree, a2 OpenSBI's next stage. */
function start(vm: Vm<BoardHarts["vcpus"][number]>, harts: BoardHarts, boot: BootPlan, mode: "vm" | "bare", map: AddressMap, memory: BusMemory): void {
  const dynamicInfo = boot.nextStage === undefined ? 0 : writeDynamicInfo(memory, map, boot.nextStage);
  for (const vcpu of harts.vcpus) {
    // Bare harts all start, as after a reset; under the hypervisor the guest starts the others by HSM.
    vm.initVcpu(vcpu.vcpuId, mode === "bare" || vcpu.vcpuId === 0 ? "on" : "off");
    vcpu.setPc(BigInt(boot.entry));
    vcpu.setGpr(A0, BigInt(vcpu.vcpuId));
    vcpu.setGpr(A1, BigInt(boot.dtbAddress));
    if (mode === "bare") vcpu.setGpr(A2, BigInt(dynamicInfo));
  }
}

/** OpenSBI's struct fw_dynamic_info, version 2: where and in which mode to go on. */
function writeDynamicInfo(memory: BusMemory, { mrom }: AddressMap, nextStage: number): number {
  const address = mrom.base;
  const supervisor = 1n;
  [0x4942534fn, 2n, BigInt(nextStage), supervisor, 0n, 0n].forEach((word, i) => memory.writeU64(address + i * 8, word));
  return address;
}
