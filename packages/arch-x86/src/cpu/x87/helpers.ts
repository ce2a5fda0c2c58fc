import { Status } from "@hypercraft/engine";
import { generalProtection, invalidOpcode } from "../fault.js";
import { Helper } from "../helper-ids.js";
import { highHalf, lowHalf, wide } from "../wide.js";
import type { ErrorLines } from "./error-lines.js";
import { X87Images } from "./images.js";
import { Component, unpackRequest, X87Op } from "./operations.js";
import { QuickImages, type QuickImagesHost } from "./quick-images.js";
import type { X87Core } from "./stack.js";
import { X87Unit } from "./unit.js";

/** What the unit is part of. */
export interface X87Host extends QuickImagesHost {
  readonly core: X87Core & QuickImagesHost["core"] & { setResult(lo: number, hi: number): void };
  /** Where errors are told that are no exceptions. */
  readonly floatErrors?: ErrorLines;
}

/** The helpers of floating-point instructions and of FXSAVE, XSAVE and their like. */
export class X87Helpers {
  readonly unit: X87Unit;
  private readonly host: X87Host;
  private readonly images: X87Images;
  private readonly quickImages: QuickImages;

  constructor(host: X87Host) {
    this.host = host;
    this.unit = new X87Unit(host.core);
    this.images = new X87Images(this.unit.stack);
    this.quickImages = new QuickImages(host, this.images);
  }

  /** Run a helper (helper-ids.ts); undefined if it is none of these. Faults are thrown. */
  run(id: number, constant: number, aLo: number, aHi: number, bLo: number, bHi: number): Status | undefined {
    const { images } = this;
    switch (id) {
      case Helper.x87:
        return this.operate(constant, wide(aLo, aHi), wide(bLo, bHi));
      case Helper.x87ImageWord:
        return this.imageWord(constant & 15, constant >> 4);
      case Helper.x87PutImageWord:
        images.put(constant >> 4, aLo, aHi);
        return Status.next;
      case Helper.moveState:
        return this.moveState(constant, aLo, aHi);
      case Helper.checkMxcsr:
        if (aLo !== 0 && !images.mxcsrValid) throw generalProtection();
        return Status.next;
      case Helper.restoreMxcsr:
        if (aLo === 0) return Status.next;
        images.restoreMxcsr();
        this.host.modeChanged();
        return Status.next;
      case Helper.extendedMask: {
        const enabled = this.host.extendedControl();
        if (enabled === undefined) throw invalidOpcode();
        return this.give(enabled);
      }
      case Helper.checkComponents: {
        const enabled = this.host.extendedControl() ?? 0n;
        if ((wide(aLo, aHi) & ~enabled) !== 0n || (bLo | bHi) !== 0) throw generalProtection();
        return Status.next;
      }
      default:
        return undefined;
    }
  }

  private operate(constant: number, a: bigint, b: bigint): Status {
    const { images } = this;
    const request = unpackRequest(constant);
    switch (request.op) {
      case X87Op.initialize:
        images.initialize();
        return this.settled();
      case X87Op.restoreImage:
        images.restore(request.register);
        return this.settled();
      case X87Op.restoreComponent:
        if (a === BigInt(Component.restore)) images.restore(request.register);
        else if (a === BigInt(Component.initialize)) images.initializeAll();
        return this.settled();
      case X87Op.savedImage:
        images.saved(request.register);
        return this.settled();
    }
    const outcome = this.unit.run(request, a, b);
    this.host.floatErrors?.settle();
    return outcome === "ended" ? this.host.skip(request.length) : Status.next;
  }

  private moveState(constant: number, lo: number, hi: number): Status {
    const status = this.quickImages.move(constant, lo, hi);
    if (status !== Status.next) this.host.floatErrors?.settle();
    return status;
  }

  private settled(): typeof Status.next {
    this.host.floatErrors?.settle();
    return Status.next;
  }

  /** The first word is asked for first. */
  private imageWord(image: number, index: number): typeof Status.next {
    const { images, host } = this;
    if (index === 0) images.take(image);
    host.core.setResult(images.half(index, 0), images.half(index, 1));
    return Status.next;
  }

  private give(value: bigint): typeof Status.next {
    this.host.core.setResult(lowHalf(value), highHalf(value));
    return Status.next;
  }
}
