import { type Field, StateLayout } from "@hypercraft/engine";

// Architectural state of one logical processor: SDM volume 1, chapter 3, and volume 3, chapter 2. Registers that are
// views of others (AH, EAX, EFLAGS as a whole, MM0) have no field of their own.

const layout = new StateLayout();

/** The processor's state layout. Its `pc` is a linear address: CS.base + RIP. */
export const x86Layout = layout;

export const GPR_NAMES = [
  ...["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"],
  ...["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
] as const;

/** General-purpose registers by their numbers in encodings. */
export const GPR: readonly Field[] = GPR_NAMES.map((name) => layout.i64(name));

/** Numbers of general-purpose registers. */
export const Gpr = { rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7, r11: 11 } as const;

/**
 * The status flags, as whatever set them: isa/flags.ts says how they are read. `kind` is one of its constants; `result`
 * and `source` are sign-extended from the operand size.
 */
export const FLAGS = {
  kind: layout.i32("flagsKind"),
  result: layout.i64("flagsResult"),
  source: layout.i64("flagsSource"),
  /** RFLAGS.DF as 0 or 1. */
  direction: layout.i32("df"),
} as const;

/** The rest of RFLAGS, each bit where it is there: TF, IF, IOPL, NT, RF, VM, AC, VIF, VIP, ID. */
export const RFLAGS = layout.i32("rflags");

/** Current privilege level. */
export const privilege = layout.i32("cpl");
/** 1 while SYSCALL and SYSRET have a quick way: derived from the rest (contexts.ts). */
export const quickCalls = layout.i32("quickCalls");

/** Segment registers by their numbers in encodings. */
export const SEGMENT_NAMES = ["es", "cs", "ss", "ds", "fs", "gs"] as const;
export const Seg = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;

/** What a segment register, LDTR or TR holds: SDM volume 3, 3.4.3. */
export interface SegmentFields {
  readonly selector: Field;
  readonly base: Field;
  /** Last offset, in bytes, 32 bits. */
  readonly limit: Field;
  /** Access rights as a VMCS holds them: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16. */
  readonly rights: Field;
}

function segment(name: string): SegmentFields {
  return {
    selector: layout.i32(`${name}.selector`),
    base: layout.i64(`${name}.base`),
    limit: layout.i32(`${name}.limit`),
    rights: layout.i32(`${name}.rights`),
  };
}

export const SEGMENTS: readonly SegmentFields[] = SEGMENT_NAMES.map(segment);
export const LDTR = segment("ldtr");
export const TR = segment("tr");

/**
 * By segment: the last offset that may be read or written without asking, -1 if none may. Derived from the segment;
 * where a limit says no, a helper decides (expand-down segments, null selectors).
 */
export const READ_LIMITS: readonly Field[] = SEGMENT_NAMES.map((name) => layout.i64(`${name}.readLimit`));
export const WRITE_LIMITS: readonly Field[] = SEGMENT_NAMES.map((name) => layout.i64(`${name}.writeLimit`));

export const GDTR = { base: layout.i64("gdtr.base"), limit: layout.i32("gdtr.limit") } as const;
export const IDTR = { base: layout.i64("idtr.base"), limit: layout.i32("idtr.limit") } as const;

/** Control registers. CR8 is the local APIC's task priority. */
export const CR0 = layout.i64("cr0");
export const CR2 = layout.i64("cr2");
export const CR3 = layout.i64("cr3");
export const CR4 = layout.i64("cr4");
/** The page-directory-pointer-table entries that PAE paging loads with CR3. */
export const PDPTES = layout.array("pdpte", "i64", 4);
export const XCR0 = layout.i64("xcr0");
export const EFER = layout.i64("efer");

/** Debug registers DR0 to DR3, DR6 and DR7. */
export const DR = layout.array("dr", "i64", 4);
export const DR6 = layout.i64("dr6");
export const DR7 = layout.i64("dr7");

export const XMM = layout.array("xmm", "v128", 16);
/** MXCSR without its exception flags, which are the layout's `fpFlags` in the engine's numbering. */
export const MXCSR = layout.i32("mxcsr");

/** The x87 registers by physical number: significand (also MM0 to MM7), and sign and exponent in 16 bits. */
export const X87 = {
  significand: layout.array("st", "i64", 8),
  exponent: layout.array("stExponent", "i32", 8),
  control: layout.i32("fpuControl"),
  /** The status word; TOP in its bits 13:11. */
  status: layout.i32("fpuStatus"),
  /** Bit i: physical register i is in use. */
  used: layout.i32("fpuUsed"),
  opcode: layout.i32("fpuOpcode"),
  instruction: layout.i64("fpuInstruction"),
  data: layout.i64("fpuData"),
  instructionSegment: layout.i32("fpuCs"),
  dataSegment: layout.i32("fpuDs"),
  /** What the unit gives an instruction: to be stored, its upper 16 bits apart, or RFLAGS. */
  result: layout.i64("fpuResult"),
  resultHigh: layout.i64("fpuResultHigh"),
  /** What a store will raise when it has its memory, with bit 0 set; 0 if cpu/x87/unit.ts knows. */
  storing: layout.i32("fpuStoring"),
} as const;

/** Interrupts are held back for the next instruction: 1 by STI, 2 by MOV SS and POP SS, as in a VMCS. Bit 2: seen. */
export const interruptShadow = layout.i32("interruptShadow");
/** Where the instruction is that STI holds interrupts back for: the low half of its linear address. */
export const shadowedAddress = layout.i32("shadowedAddress");
/** Bits: a non-maskable interrupt is pending; they are blocked until IRET. */
export const NmiState = { pending: 1, blocked: 2 } as const;
export const nmiState = layout.i32("nmiState");
/** Activity states, as in a VMCS: runs; after HLT; after a shutdown; waits for a start-up IPI. */
export const Activity = { active: 0, halted: 1, shutdown: 2, waitForSipi: 3 } as const;
export const activity = layout.i32("activity");
/** 1 while IGNNE# is low: errors of the floating-point unit do not stop the processor. */
export const ignoresNumericErrors = layout.i32("ignoresNumericErrors");
/** 1 after MONITOR, 2 while MWAIT waits. */
export const monitorState = layout.i32("monitorState");
/** The line's physical address, and what its bytes were. */
export const monitoredAddress = layout.i64("monitoredAddress");
export const monitoredBytes = layout.i64("monitoredBytes");
/** PAUSE instructions executed, modulo as many as let another processor have its turn. */
export const pauses = layout.i32("pauses");
/** 1 while an interrupt is pending for this processor, masked or not: derived from the rest. */
export const interruptsWaiting = layout.i32("interruptsWaiting");

/** Model-specific registers that are storage, by name. `msr("IA32_STAR")` declares one at its first use. */
const registers = new Map<string, Field>();
export function msr(name: string): Field {
  let field = registers.get(name);
  if (field === undefined) {
    field = layout.i64(name);
    registers.set(name, field);
  }
  return field;
}

export const DEBUGCTL = msr("IA32_DEBUGCTL");
