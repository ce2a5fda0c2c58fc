import type { Tier } from "@hypercraft/engine";
import { InstructionClock, type IrqLine } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import {
  begin,
  DEVICE,
  DISABLE,
  ENABLE,
  ENDED,
  FIRST_EDGE,
  type GuestOptions,
  LOG,
  ring,
  setPhysicalTimer,
  setVirtualTimer,
  sgi,
  wants,
} from "../testing/vm/interrupt-guest.js";
import {
  type ArmVm,
  assembleGuest,
  createRig,
  gicOf,
  RAM,
  RAM_SIZE,
  type RigGic,
  STOP,
} from "../testing/vm/rig.js";

// Interrupts of guests, by GICs that are emulated as a whole and by list registers: a guest sees no difference.

const GICS: readonly RigGic[] = [2, "virtual 2", 3, "virtual 3"];
const TIERS: readonly Tier[] = ["cold", "hot"];

/** Where CPUs tell each other how far they are. */
const FLAGS = RAM + 0x3_0000;

/** No interrupt's number: how often the next ones want to be acknowledged. */
const WANTED = 0;
/** How often a doorbell's interrupts still want to be acknowledged. */
const doorbells = new WeakMap<ArmVm, Map<number, number>>();

/** A device with lines that the guest raises and lowers itself. */
function addDoorbell(vm: ArmVm): void {
  const gic = gicOf(vm);
  const lines = new Map<number, IrqLine>();
  const left = new Map<number, number>();
  doorbells.set(vm, left);
  const write = (offset: number, _width: number, value: number): void => {
    const id = value & 0x3ff;
    const line = lines.get(id) ?? gic.line(Math.max(32, id));
    lines.set(id, line);
    if (offset === 8) left.set(WANTED, value);
    if (offset === 0) {
      line.set(true);
      left.set(id, left.get(WANTED) ?? 1);
      if (id >= FIRST_EDGE) line.set(false);
    }
    if (offset !== 4) return;
    left.set(id, (left.get(id) ?? 0) - 1);
    if (left.get(id) === 0) line.set(false);
  };
  vm.mmio.add({ name: "doorbell", base: DEVICE, size: 16, device: { read: () => 0, write } });
}

function start(gic: RigGic, bodies: readonly string[], options: GuestOptions & { tier?: Tier } = {}): ArmVm {
  const { tier = "auto", ...rest } = options;
  const source = bodies
    .map((body, cpu) => `pe${cpu}: ${begin(gic, cpu, rest)}\n${body}\n${STOP}\nhalt${cpu}: wfi; b halt${cpu}`)
    .join("\n.align 4096\n");
  const { vm } = assembleGuest(source, {
    cpus: bodies.length,
    gic,
    rig: createRig(new InstructionClock(), tier),
    handlers: {
      hypercall: ({ nr }, { vcpuId }) => {
        if (nr !== 0x77n) return undefined;
        return vcpuId === 0 ? { kind: "end", result: { kind: "stopped" } } : { kind: "results", values: [] };
      },
    },
  });
  addDoorbell(vm);
  return vm;
}

/** What a CPU took and ended, in order. */
function logOf(vm: ArmVm, cpu = 0): number[] {
  const log: number[] = [];
  for (let at = LOG + 0x1000 * cpu; ; at += 4) {
    const word = vm.memory!.readU32(at);
    if (word === 0) return log;
    log.push(word);
  }
}

async function run(gic: RigGic, bodies: readonly string[], options: Parameters<typeof start>[2] = {}) {
  const vm = start(gic, bodies, options);
  const { kind } = await vm.run({ slice: 200, onIdle: "stop", maxInstructions: 200_000 });
  expect(kind).toBe("stopped");
  return vm;
}

const taken = (...ids: readonly number[]): number[] => ids.flatMap((id) => [id, ENDED]);

describe.each(GICS)("GIC %s", (gic) => {
  test.each(TIERS)("timers wake a CPU that waits, %s tier", async (tier) => {
    const body = `${ENABLE}\n${setVirtualTimer(5000)}\nwfi\n${setPhysicalTimer(3000)}\nwfi\nnop`;
    const vm = await run(gic, [body], { tier });
    expect(logOf(vm)).toEqual(taken(27, 30));
    expect(vm.clock.now()).toBeGreaterThan(8000 * 16);
    expect(vm.clock.now()).toBeLessThan(8000 * 16 + 20_000);
  });

  test.each(TIERS)("a timer interrupts a loop, %s tier", async (tier) => {
    const body = `${ENABLE}\nli x5, 20
      again: ${setVirtualTimer(10)}
      spin: mrs x6, CNTV_CTL_EL0; cbnz x6, spin
      sub x5, x5, #1; cbnz x5, again`;
    expect(logOf(await run(gic, [body], { tier }))).toEqual(taken(...new Array<number>(20).fill(27)));
  });

  test.each(TIERS)("a level-sensitive line: once, and again as long as it is high, %s tier", async (tier) => {
    const body = `${ENABLE}\n${ring(40)}\nnop\n${wants(3)}\n${ring(41)}\nnop; nop; nop; nop`;
    expect(logOf(await run(gic, [body], { tier }))).toEqual(taken(40, 41, 41, 41));
  });

  test("a line that falls before the interrupt is taken asks for nothing", async () => {
    const body = `${DISABLE}\n${ring(40)}\nli x9, ${DEVICE}; li x10, 40; str w10, [x9, #4]\n${ENABLE}\nnop; nop`;
    expect(logOf(await run(gic, [body]))).toEqual([]);
  });

  test("edges: one, and one more while the first is active", async () => {
    const body = `${ENABLE}\n${ring(50)}\nnop\nli x27, 0\n${DISABLE}\n${ring(50)}\n${ring(50)}\n${ENABLE}\nnop; nop`;
    expect(logOf(await run(gic, [body]))).toEqual(taken(50, 50));
  });

  test("twelve at once come by priority, though a CPU has fewer list registers", async () => {
    const ids = [44, 52, 40, 45, 55, 41, 48, 33, 50, 42, 47, 54];
    const body = `${DISABLE}\n${ids.map(ring).join("\n")}\n${ENABLE}\nnop; nop; nop; nop; nop; nop; nop`;
    const sorted = [...ids].sort((a, b) => b - a);
    expect(logOf(await run(gic, [body]))).toEqual(taken(...sorted));
  });

  test("seven preempt each other, though a CPU has fewer list registers", async () => {
    // The first handler rings 45 before it ends, and so on.
    const body = `${ENABLE}\nli x27, 6\n${ring(44)}\nnop; nop`;
    const ids = [44, 45, 46, 47, 48, 49, 50];
    expect(logOf(await run(gic, [body]))).toEqual([...ids, ...ids.map(() => ENDED)]);
    // And the same once more, of level-sensitive lines below them.
    const levels = `${ENABLE}\nli x27, 6\n${ring(37)}\nnop; nop`;
    const lower = [37, 38, 39, 40, 41, 42, 43];
    expect(logOf(await run(gic, [levels]))).toEqual([...lower, ...lower.map(() => ENDED)]);
  });

  test("priority drop and deactivation apart", async () => {
    const body = `${ENABLE}\n${wants(2)}\n${ring(40)}\nnop; nop\n${ring(46)}\nnop; nop\nli x27, 5\n${ring(45)}\nnop`;
    const ids = [45, 46, 47, 48, 49, 50];
    const vm = await run(gic, [body], { split: true });
    expect(logOf(vm)).toEqual([...taken(40, 40, 46), ...ids, ...ids.map(() => ENDED)]);
  });

  const version2 = gic === 2 || gic === "virtual 2";
  /** What a log says was taken: ID and sender. */
  const senders = (log: readonly number[]) =>
    log.filter((word) => word !== ENDED).map((word) => [word & 0x3ff, word >> 10]);
  const from = (id: number, sender: number) => [id, version2 ? sender : 0];
  const startOthers = [1, 2]
    .map((cpu) => `li x0, 0xc4000003; li x1, ${cpu}; adr x2, pe${cpu}; hvc #0`)
    .join("\n");
  const flag = (cpu: number): string => `li x9, ${FLAGS + 8 * cpu}`;
  const until = (cpu: number, ended: number): string =>
    `wait${cpu}${ended}: li x9, ${LOG + 0x1000 * cpu + 8 * ended}; cmp x28, x9; b.lo wait${cpu}${ended}`;
  const awaitFlag = (cpu: number): string => `flag${cpu}: ${flag(cpu)}; ldr x10, [x9]; cbz x10, flag${cpu}`;
  const setFlag = (cpu: number): string => `${flag(cpu)}; str x9, [x9]`;

  test("SGIs: to itself and to others", async () => {
    const vm = await run(gic, [
      `${ENABLE}\n${sgi(gic, 5, 1)}\n${until(0, 1)}\n${startOthers}\n${until(0, 4)}\n${awaitFlag(1)}`,
      // GICv3 sends nothing to a CPU whose interrupts have another group still.
      `${ENABLE}\n${awaitFlag(3)}\n${sgi(gic, 6, 5)}\n${until(1, 1)}\n${setFlag(1)}`,
      `${ENABLE}\n${setFlag(3)}\n${until(2, 1)}\n${sgi(gic, 7, 3)}\n${sgi(gic, 8, 1)}`,
    ]);
    const first = senders(logOf(vm));
    expect(first.slice(0, 2)).toEqual([from(5, 0), from(6, 1)]);
    expect(first.slice(2)).toEqual([from(7, 2), from(8, 2)]);
    expect(senders(logOf(vm, 1))).toEqual([from(7, 2)]);
    expect(senders(logOf(vm, 2))).toEqual([from(6, 1)]);
  });

  test("an SGI of several CPUs: GICv2 tells them apart", async () => {
    const vm = await run(gic, [
      `${startOthers}\n${awaitFlag(1)}\n${awaitFlag(2)}\n${ENABLE}\nnop; nop; nop`,
      `${sgi(gic, 6, 1)}\n${setFlag(1)}`,
      `${sgi(gic, 6, 1)}\n${setFlag(2)}`,
    ]);
    expect(senders(logOf(vm))).toEqual(version2 ? [from(6, 1), from(6, 2)] : [[6, 0]]);
  });

  test("a wait ends with an SGI, and the host can raise one", async () => {
    const vm = start(gic, [`${ENABLE}\nwfi\nwfi`]);
    for (const id of [3, 27]) {
      expect((await vm.run({ onIdle: "stop" })).kind).toBe("idle");
      vm.vcpus.getVcpu(0).interrupt(id);
    }
    expect((await vm.run({ onIdle: "stop" })).kind).toBe("stopped");
    expect(logOf(vm)).toEqual(taken(3, 27));
    expect(() => vm.vcpus.getVcpu(0).interrupt(32)).toThrow("no private interrupt 32");
  });

  test.each(TIERS)(
    "is saved and goes on the same way elsewhere, at any instruction, %s tier",
    async (tier) => {
      const body = `${ENABLE}\n${wants(2)}\nli x27, 5\n${ring(38)}\n${setVirtualTimer(50)}\n${until(0, 8)}`;
      for (const at of [150, 200, 215, 230, 245, 260, 275, 300, 340]) {
        const [vm, copy] = [start(gic, [body], { tier }), start(gic, [body], { tier })];
        await vm.run({ slice: 100, maxInstructions: at });
        const [vcpu, other] = [vm.vcpus.getVcpu(0), copy.vcpus.getVcpu(0)];
        (copy.clock as InstructionClock).advanceTo(vm.clock.now());
        copy.memory!.write(RAM, vm.memory!.read(RAM, RAM_SIZE));
        gicOf(copy).restore(structuredClone(gicOf(vm).state()) as never);
        other.load(structuredClone(vcpu.save()));
        for (const [id, count] of doorbells.get(vm)!) doorbells.get(copy)!.set(id, count);
        copy.restore(vm.state());
        const ends = [];
        for (const each of [vm, copy])
          ends.push((await each.run({ slice: 100, maxInstructions: 100_000 })).kind);
        expect(ends, `moved after ${at}`).toEqual(["stopped", "stopped"]);
        expect(logOf(copy)).toEqual(logOf(vm));
        expect([other.retired, copy.clock.now()]).toEqual([vcpu.retired, vm.clock.now()]);
      }
    },
  );
});

test.each<RigGic>([2, "virtual 2"])("GIC %s: group 0 as FIQ", async (gic) => {
  const vm = await run(gic, [`${ENABLE}\n${wants(2)}\n${ring(40)}\nnop; nop`], { fiq: true });
  expect(logOf(vm)).toEqual(taken(40, 40));
  expect(vm.vcpus.getVcpu(0).getGpr(26)).toBe(1n);
  const irq = await run(gic, [`${ENABLE}\n${ring(40)}\nnop; nop`]);
  expect(irq.vcpus.getVcpu(0).getGpr(26)).toBe(0n);
});

describe("exits of an interrupt", () => {
  /** What 20 more of them cost, by kind and by what the hypervisor counts itself. */
  async function cost(gic: RigGic, once: string): Promise<object> {
    const program = (count: number): string =>
      `${ENABLE}\nli x5, ${count}\nagain: ${once}\nsub x5, x5, #1; cbnz x5, again`;
    const [few, many] = [await run(gic, [program(5)]), await run(gic, [program(25)])];
    const [a, b] = [few.stats.toJSON(), many.stats.toJSON()];
    const counted = (name: string): number => (b.byDetail[name] ?? 0) - (a.byDetail[name] ?? 0);
    const kinds = (["mmioRead", "mmioWrite", "sysRegWrite"] as const).map(
      (kind) => (b.byKind[kind] ?? 0) - (a.byKind[kind] ?? 0),
    );
    return [...kinds.map((count) => count / 20), counted("GIC maintenance interrupt") / 20];
  }
  const timer = `${setVirtualTimer(10)}\nspin: mrs x6, CNTV_CTL_EL0; cbnz x6, spin`;
  const device = `${ring(40)}\nnop`;

  // Reads, writes, trapped system registers, maintenance interrupts; a device's own two writes are among them.
  test.each<[RigGic, number[], number[], number[]]>([
    [2, [1, 1, 0, 0], [1, 3, 0, 0], [1, 2, 0, 0]],
    ["virtual 2", [0, 0, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0]],
    [3, [0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]],
    ["virtual 3", [0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0]],
  ])("GIC %s", async (gic, ofTimer, ofDevice, ofSgi) => {
    expect(await cost(gic, timer)).toEqual(ofTimer);
    expect(await cost(gic, device)).toEqual(ofDevice);
    expect(await cost(gic, `${sgi(gic, 5, 1)}\nnop; nop`)).toEqual(ofSgi);
  });

  test.each<RigGic>(["virtual 2", "virtual 3"])(
    "GIC %s: maintenance interrupts come where list registers do not do",
    async (gic) => {
      const of = async (body: string) =>
        (await run(gic, [`${ENABLE}\n${body}\nnop; nop; nop`])).stats.toJSON().byDetail[
          "GIC maintenance interrupt"
        ] ?? 0;
      // A line that stays high when the interrupt ends.
      expect(await of(`${wants(3)}\n${ring(40)}`)).toBe(2);
      expect(await of(ring(40))).toBe(0);
      // More pending than fit, and more active.
      const many = [1, 2, 3, 4, 5, 6, 7].map((id) => sgi(gic, id, 1)).join("\n");
      expect(await of(`${DISABLE}\n${many}\n${ENABLE}`)).toBeGreaterThan(0);
      expect(await of(`li x27, 6\n${ring(44)}`)).toBeGreaterThan(0);
    },
  );
});
