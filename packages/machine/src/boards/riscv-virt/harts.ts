import {
  BareHart,
  createHart,
  GuestInterrupt,
  type HartVCpu,
  RISCV_FLOATING_POINT,
  RISCV_PAGE_WALKER,
  RiscvPerCpu,
} from "@hypercraft/arch-riscv";
import type { Engine } from "@hypercraft/engine";
import { guestPhysAddr } from "@hypercraft/hypercraft";
import {
  bareEngine,
  type CpuWiring,
  type EngineRules,
  guestEngine,
  NO_DEVICES,
  tellPending,
} from "../common/engine.js";
import { vcpuOnEachCpu } from "../common/vcpus.js";

/** Interrupt numbers of mip. */
const MSIP = 3;
const MTIP = 7;
const SEIP = 9;
const MEIP = 11;

/** The board sets the first pc once its images are placed. */
const RESET_ENTRY = guestPhysAddr(0);

/** The harts of a board and the wires to them. */
export interface BoardHarts {
  readonly engine: Engine;
  readonly vcpus: readonly HartVCpu[];
  /** Outputs of the PLIC's contexts: machine and supervisor mode of each hart in turn. */
  readonly contexts: readonly ((level: boolean) => void)[];
  setSoftware(hart: number, level: boolean): void;
  setTimer(hart: number, level: boolean): void;
}

const RULES: EngineRules = { floatingPoint: RISCV_FLOATING_POINT, pageWalker: RISCV_PAGE_WALKER };

/** Harts that own the board: interrupts are inputs of the hart, devices lie on its physical bus. */
export function bareHarts(wiring: CpuWiring): BoardHarts {
  const { bus, clock, cpus } = wiring;
  const engine = bareEngine(wiring, RULES);
  const harts = Array.from({ length: cpus }, (_, hartId) => {
    const { core, hart } = createHart(engine, { hartId, mode: "bare", clock, bus });
    return new BareHart(hartId, RESET_ENTRY, core, hart);
  });
  tellPending(
    clock,
    harts.map(({ hart }) => hart),
  );
  return {
    engine,
    vcpus: harts,
    contexts: harts.flatMap((hart) =>
      [MEIP, SEIP].map((irq) => (level: boolean) => hart.setInput(irq, level)),
    ),
    setSoftware: (hart, level) => harts[hart]?.setInput(MSIP, level),
    setTimer: (hart, level) => harts[hart]?.setInput(MTIP, level),
  };
}

/** Harts under the hypervisor: external interrupts are injected, devices are reached by exits. */
export function guestHarts(wiring: CpuWiring): BoardHarts {
  const { clock, cpus } = wiring;
  const engine = guestEngine(wiring, RULES);
  const create = (cpuId: number) => {
    const { core, hart } = createHart(engine, { hartId: cpuId, mode: "vm", clock, bus: NO_DEVICES });
    return new RiscvPerCpu(cpuId, core, hart);
  };
  const vcpus = vcpuOnEachCpu(cpus, create, RESET_ENTRY);
  const unconnected = (): void => {};
  return {
    engine,
    vcpus,
    // Guests have no M-mode, so only the supervisor contexts lead anywhere.
    contexts: vcpus.flatMap((vcpu) => [
      unconnected,
      (level: boolean) => vcpu.setInterrupt(GuestInterrupt.external, level),
    ]),
    setSoftware: unconnected,
    setTimer: unconnected,
  };
}
