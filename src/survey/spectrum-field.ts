/** A spectrum in a survey file: its row, and the field that it describes. */
import { z } from "zod";
import { UserError } from "../errors.ts";
import type { Arm, SpectrumField } from "./field.ts";
import { convertUnit } from "./units.ts";

/** [Angstrom], up to 1 cm. */
const wavelength = z.number().positive().max(1e8);
const curveOf = (value: z.ZodNumber) =>
  z.union([
    value,
    z
      .array(z.tuple([wavelength, value]))
      .min(2)
      .refine(
        (points) => points.every(([at], i) => i === 0 || at > points[i - 1][0]),
        "expected [wavelength, value] with rising wavelengths",
      ),
  ]);
const isSpan = ({ from, to }: { readonly from: number; readonly to: number }): boolean => from < to;
const SPAN = "expected from < to";
const angle = z.number().positive().max(3600);

const gridSchema = z
  .strictObject({
    from: wavelength.describe("Centre of the first pixel [Angstrom, vacuum]."),
    to: wavelength.describe("Centre of the last pixel [Angstrom, vacuum]."),
    pixels: z.int().min(8).max(1_000_000).describe("Pixels: centres at from (to / from)^(i / (pixels - 1))."),
  })
  .refine(isSpan, SPAN);

const armSchema = z
  .strictObject({
    name: z.string().min(1).describe("Name of the arm, or camera."),
    from: wavelength.describe("First wavelength [Angstrom, vacuum]."),
    to: wavelength.describe("Last wavelength [Angstrom, vacuum]."),
    resolution: z.number().positive().max(1e6).describe("lambda / FWHM of an unresolved line."),
    area: z.number().positive().max(1e10).optional().describe("Collecting area [cm2]."),
    throughput: curveOf(z.number().min(0).max(1))
      .optional()
      .describe("Photo-electrons per photon on the area: a number, or [wavelength [Angstrom], throughput] at several."),
    exposure: z.number().positive().max(1e9).optional().describe("Whole exposure [s]."),
    reads: z.int().min(1).max(100_000).optional().describe("Parts of the exposure, each read out once; default 1."),
    readNoise: z.number().min(0).max(1e6).optional().describe("[electrons] per detector pixel and part."),
    dark: z.number().min(0).max(1e6).optional().describe("[electrons/s] per detector pixel."),
    pixelsPerFwhm: z.number().positive().max(1000).optional().describe("Detector pixels along the FWHM."),
    pixelsAcross: z.number().positive().max(1000).optional().describe("Detector pixels added up across the trace."),
    fibre: angle.optional().describe("Diameter of the fibre, or width of the slit [arcsec]."),
    seeing: angle.optional().describe("FWHM of a point source [arcsec]."),
    sky: curveOf(z.number().min(-100).max(100))
      .optional()
      .describe("Continuum of the sky [AB mag/arcsec2]: a number, or [wavelength [Angstrom], magnitude] at several."),
    skyLines: z
      .number()
      .min(0)
      .max(1000)
      .optional()
      .describe("Strength of the airglow lines: 1 is the mean dark sky, 0 none."),
    telluric: z
      .number()
      .min(0)
      .max(1000)
      .optional()
      .describe("Optical depth of the air's absorption bands over the built-in ones; 0: none."),
  })
  .refine(isSpan, SPAN);

/** A spectrum's row; `shared` are the keys that rows of every field have. */
export const spectrumSchemaWith = <S extends z.ZodRawShape>(shared: S) =>
  z.strictObject({
    ...shared,
    name: z.string().min(1).describe("Name of the field: the vector column in every table of ours, beside NAME_ivar."),
    description: z.string().min(1).describe("What it is: for people, and in the tables written."),
    unit: z.string().min(1).describe("Unit of the flux densities, per wavelength: `1e-17 erg/s/cm2/A`."),
    grid: gridSchema.describe("The pixels that a network reads; spectra of others are put on it, fluxes kept."),
    arms: z.array(armSchema).min(1).optional().describe("What takes it: for simulations, and for people."),
  });

interface SpectrumRow {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly grid: SpectrumField["grid"];
  readonly arms?: readonly { readonly [K in keyof Arm]: Arm[K] | undefined }[] | undefined;
  readonly sameAs?: string | null | undefined;
}

/** Bounds of flux densities, in any unit: beyond them a pixel is not observed. */
const POSSIBLE: readonly [number, number] = [-1e30, 1e30];

/** The field that a row describes. @throws UserError for a unit that is no flux per wavelength. */
export function spectrumOf(
  { name, description, unit, grid, arms, sameAs }: SpectrumRow,
  id: number,
  at: string,
): SpectrumField {
  if (convertUnit(unit, "erg/s/cm2/A")?.kind !== "factor") {
    throw new UserError(
      `${at}: spectrum "${name}": unit "${unit}" is no flux per wavelength, expected e.g. 1e-17 erg/s/cm2/A`,
    );
  }
  const known = arms?.map(
    (arm) => Object.fromEntries(Object.entries(arm).filter(([, value]) => value !== undefined)) as unknown as Arm,
  );
  return {
    id,
    name,
    kind: "spectrum",
    unit,
    description,
    range: POSSIBLE,
    shape: [grid.pixels],
    grid,
    ...(known === undefined ? {} : { arms: known }),
    ...(sameAs === undefined ? {} : { sameAs }),
  };
}
