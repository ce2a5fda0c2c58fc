/**
 * Helpers that the lifter calls. What their operands are stands beside each: `a` and `b` are values; where
 * `IrBuilder.callIf` calls, there is only `b`.
 */
export const Helper = {
  /** #UD. */
  undefined: 0,
  /** Raise exception `constant` & 0xff; with bit 8 set there is an error code, `constant` >> 9. */
  raise: 1,
  /**
   * An access at offset `b` is beyond what the segment lets through unasked: constant = segment | write << 3 |
   * bytes << 4. Raises, or says go on.
   */
  segmentLimit: 2,
  /** POPF of `constant` bytes changes more than the status flags and DF: carry it out; `b` is the value popped. */
  popFlags: 3,
  /** Take `a` over as MXCSR, or raise #GP. */
  loadMxcsr: 4,
  /** Gives MXCSR. */
  storeMxcsr: 5,
  /** SYSCALL. */
  syscall: 6,
  /** DIV or IDIV (constant bit 8) of rDX:rAX by `b`, an instruction of `constant` & 0xff bytes: carry it out whole. */
  divideWide: 7,
  /** The instruction of `constant` bytes is done: go on behind it. */
  skip: 8,
  /** PDEP and PEXT: give the result of `a` and the mask `b`. */
  depositBits: 9,
  extractBits: 10,

  /**
   * Store 16 bits, of which few instructions do not store the same always: bits 47:32 of `b` at offset `b` & 0xffffffff of
   * segment `constant`. Raises what a store does.
   */
  storeWord: 11,

  /** A run of REP MOVS or REP STOS: `constant` says which (string-runs.ts). */
  stringRun: 12,

  // Segments and far transfers. Selectors and offsets are values; `constant` & 15 is the operand size, and above it, by
  // 4 bits, the length of the instruction where it is needed.
  /** Load segment register `constant` & 7 with the selector `a`. Bit 3 is set for LSS, which holds no interrupts back. */
  loadSegment: 16,
  /** JMP to selector `a`, offset `b`. */
  farJump: 17,
  /** CALL of selector `a`, offset `b`. */
  farCall: 18,
  /** RET; `a` bytes of parameters. */
  farReturn: 19,
  /** IRET. */
  interruptReturn: 20,
  /** INT n: `constant` = vector | length << 8; bit 16: INT1, which is an exception. */
  softwareInterrupt: 21,

  // System instructions.
  /** Take the operand `a` of the instruction `constant` (`SystemRegister`) over; `b` is the limit of a table. */
  writeSystem: 24,
  /** Give the operand of the instruction `constant` (`SystemRegister`). */
  readSystem: 25,
  /** MOV to control register `constant` of `a`; gives it. */
  writeControl: 26,
  readControl: 27,
  /** The same with debug registers. */
  writeDebug: 28,
  readDebug: 29,
  readMsr: 30,
  writeMsr: 31,
  cpuid: 32,
  /** RDTSC; `constant` 1: RDTSCP. */
  timestamp: 33,
  performanceCounter: 34,
  halt: 35,
  /** CLI and STI (`constant` 1) where they are not simply allowed. */
  interruptFlag: 36,
  /** INVLPG of the linear address `a`. */
  invalidatePage: 37,
  /** INVPCID of type `a` with the descriptor at `b`. */
  invalidatePcid: 38,
  /** Instructions for which only the privilege counts: `constant` says which, `Privileged`. */
  privileged: 39,
  /** LAR, LSL, VERR, VERW (`constant` 0 to 3) of the selector `a`: gives bit 63 if it may be seen, and the value. */
  inspectSegment: 40,
  /** SYSRET (`constant`: operand size), SYSENTER, SYSEXIT (`constant`: operand size). */
  sysret: 41,
  sysenter: 42,
  sysexit: 43,
  /** XGETBV of `a`; XSETBV of `a` with `b`. */
  xgetbv: 45,
  xsetbv: 46,
  /** IN from port `a`, `constant` bytes; OUT of `b` to port `a`. */
  portRead: 47,
  portWrite: 48,
  /** Whether INS or OUTS may access port `a` at all, before its memory is: `constant` is the size, bit 3 says INS. */
  portCheck: 53,
  /** RDRAND (0) or RDSEED: gives 64 bits. */
  random: 49,
  /**
   * An SSE instruction has computed, with some exception not masked: `a` are the flags from before it, `fpFlags` those
   * it raised. Raise #XM, or merge the flags and go on.
   */
  simdExceptions: 52,

  // VMX (vmx/vmx-instruction.ts says which instruction).
  /** Whether instruction `constant` can be executed at all: #UD, an exit, #GP. */
  vmxCheck: 96,
  /** Carry out instruction `constant` & 15, whose register operand is above it, with the operands `a` and `b`. */
  vmx: 97,
  /** PAUSE of `constant` bytes: a guest of VMX may leave by it. */
  pause: 98,
  /** MONITOR of the linear address `a`. */
  monitor: 99,
  mwait: 100,
  // Floating-point unit and extended states: cpu/x87/helpers.ts.
  /** An operation (`packRequest`) with a memory operand in `a` and `b`. */
  x87: 64,
  /** Give eight bytes of an image of the state: constant = image | index << 4. */
  x87ImageWord: 65,
  /** Eight bytes, `a`, of an image to be restored: constant = index << 4. */
  x87PutImageWord: 66,
  /** #GP unless the image's MXCSR can be loaded, if `a` is not zero; load it. */
  checkMxcsr: 67,
  restoreMxcsr: 68,
  /** Give XCR0, or raise #UD. */
  extendedMask: 69,
  /** #GP unless an image has only components that XCR0 has, `a`, and no reserved bits, `b`. */
  checkComponents: 70,
  /** FXSAVE, FXRSTOR, XSAVE or XRSTOR (`packStateMove`) of the image at `a`, where it can be done at once. */
  moveState: 71,
} as const;

/** Tables, task and status registers: operands of LGDT, SGDT, LIDT, SIDT, LLDT, SLDT, LTR, STR, LMSW, SMSW. */
export const SystemRegister = {
  gdtBase: 0,
  gdtLimit: 1,
  idtBase: 2,
  idtLimit: 3,
  localTable: 4,
  task: 5,
  machineStatus: 6,
} as const;

/** Instructions of ring 0 that have no more to do than that, and CLTS. */
export const Privileged = { cacheControl: 0, clearTaskSwitched: 1 } as const;
