export type { PortBus } from "./cpu/access.js";
export { X86Cpu, type X86CpuOptions } from "./cpu/cpu.js";
export { createCpu, X86_FLOATING_POINT } from "./cpu/create-cpu.js";
export { type EntryRegisters, type EntryState, enter } from "./cpu/entry.js";
export type { FatalExit } from "./cpu/exit.js";
export type { InterruptSource } from "./cpu/interrupt-source.js";
export { X86_PAGE_WALKER } from "./cpu/page-walker.js";
export { registerReport } from "./cpu/report.js";
export { X86_SHORTCUTS } from "./cpu/shortcuts.js";
export { x86Layout } from "./cpu/state.js";
export { BareCpu } from "./hypervisor/bare-cpu.js";
export { hasVmx } from "./hypervisor/detect.js";
export type { X86ExitCause } from "./hypervisor/exit-cause.js";
export type { GuestEvent } from "./hypervisor/guest-events.js";
export { type X86GuestState, X86GuestVCpu } from "./hypervisor/guest-vcpu.js";
export { X86PerCpu } from "./hypervisor/per-cpu.js";
export { X86VCpu, type X86VCpuState } from "./hypervisor/x86-vcpu.js";
export { ApicBus, type EndOfInterruptListener } from "./interrupts/apic-bus.js";
export {
  type ConnectedApicOptions,
  connectGuestApic,
  connectLocalApic,
  type LocalApicParts,
} from "./interrupts/connect.js";
export { IoApic, type IoApicOptions, type IoApicState } from "./interrupts/io-apic.js";
export {
  type ApicProcessor,
  LocalApic,
  type LocalApicOptions,
} from "./interrupts/local-apic.js";
export { localApicPage } from "./interrupts/local-apic-page.js";
export type { LocalApicState } from "./interrupts/local-apic-state.js";
export type { LocalApicTimerState, TimestampCounter } from "./interrupts/local-apic-timer.js";
export { DeliveryMode, type InterruptMessage, messageSignaled } from "./interrupts/message.js";
export type { X86Instruction } from "./isa/declaration.js";
export type { DecodeMode } from "./isa/decoder.js";
export { encode, type MemoryChoice, type OperandChoices } from "./isa/encode.js";
export { disassemble } from "./isa/lift.js";
export { x86Instructions } from "./isa/table.js";
