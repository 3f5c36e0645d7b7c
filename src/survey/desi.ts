import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { type FitsFile, type FitsImage, openFits } from "../io/fits.ts";
import type { Column } from "../io/table.ts";
import {
  factorTo,
  numbers,
  type ObservedSpectrum,
  pixelFactors,
  type Pixels,
  readColumns,
  type Warning,
  warningOfClass,
} from "./observed-spectrum.ts";

const CAMERAS = ["B", "R", "Z"] as const;
/** Pixels of two cameras are one where their wavelengths differ by less [Angstrom]; DESI's grids agree exactly. */
const SAME = 0.01;
/** Imaging fluxes of the Legacy Surveys [nanomaggies], by pivot wavelength of the DECam filters [Angstrom]. */
const TOTALS = [
  [4808, "FLUX_G"],
  [6418, "FLUX_R"],
  [9169, "FLUX_Z"],
] as const;

/** Spectra of one camera: [nSpectrum, nPixel] row-major. */
interface Camera {
  readonly wavelength: FitsImage["data"];
  readonly flux: FitsImage["data"];
  readonly ivar: FitsImage["data"];
  readonly mask?: FitsImage["data"] | undefined;
}

/** Numbers times a factor; the same array where that is one to rounding, as in files of the archive. */
function scaled(data: FitsImage["data"], factor: number): FitsImage["data"] {
  return Math.abs(factor - 1) < 1e-9 ? data : Float64Array.from(data, (x) => x * factor);
}

async function readCamera(file: FitsFile, camera: string, count: number): Promise<Camera | undefined> {
  const named = (part: string) => file.hdus.find(({ name }) => name.toUpperCase() === `${camera}_${part}`);
  const units = ["WAVELENGTH", "FLUX", "IVAR"].map(named);
  if (units.every((unit) => unit === undefined)) return undefined;
  const images = await Promise.all(["WAVELENGTH", "FLUX", "IVAR"].map((part) => file.hdu(`${camera}_${part}`).image()));
  const mask = await named("MASK")?.image();
  const width = images[0].data.length;
  for (const { data } of [images[1], images[2], ...(mask === undefined ? [] : [mask])]) {
    if (data.length === count * width) continue;
    throw new UserError(
      `${file.path}: camera ${camera}: ${data.length} pixels, expected ${count} spectra of ${width} (FIBERMAP, ${camera}_WAVELENGTH)`,
    );
  }
  const [wave, flux, ivar] = units.map((unit) => unit?.header.text("BUNIT"));
  const where = `${file.path}: camera ${camera}`;
  const factors = pixelFactors(where, { flux, ivar });
  return {
    wavelength: scaled(images[0].data, factorTo(`${where}: wavelength`, wave, "Angstrom")),
    flux: scaled(images[1].data, factors.flux),
    ivar: scaled(images[2].data, factors.ivar),
    mask: mask?.data,
  };
}

/** Where the pixels of each camera go in the joined spectrum: the same for all spectra of a file. */
interface JoinPlan {
  readonly wavelength: Float64Array;
  /** Place of every pixel of a camera. [nCamera][nPixel] */
  readonly places: readonly Int32Array[];
}

export function planJoin(wavelengths: readonly ArrayLike<number>[]): JoinPlan {
  const places = wavelengths.map(({ length }) => new Int32Array(length));
  const next = wavelengths.map(() => 0);
  const joined: number[] = [];
  for (;;) {
    // the lowest of the wavelengths that each camera has next
    let lowest = -1;
    for (let c = 0; c < wavelengths.length; c++) {
      if (next[c] === wavelengths[c].length) continue;
      if (lowest < 0 || wavelengths[c][next[c]] < wavelengths[lowest][next[lowest]]) lowest = c;
    }
    if (lowest < 0) return { wavelength: Float64Array.from(joined), places };
    const lambda = wavelengths[lowest][next[lowest]];
    if (joined.length === 0 || lambda - joined[joined.length - 1] >= SAME) joined.push(lambda);
    places[lowest][next[lowest]] = joined.length - 1;
    next[lowest] += 1;
  }
}

/** One spectrum from its cameras: where two overlap, the mean of their fluxes weighted by inverse variance. */
export function joinCameras(
  { wavelength, places }: JoinPlan,
  cameras: readonly Pick<Camera, "flux" | "ivar" | "mask">[],
): Pixels {
  const flux = new Float64Array(wavelength.length).fill(Number.NaN);
  const ivar = new Float64Array(wavelength.length);
  for (const [c, { flux: fluxes, ivar: weights, mask }] of cameras.entries()) {
    const place = places[c];
    for (let i = 0; i < place.length; i++) {
      const at = place[i];
      const one = fluxes[i];
      const weight = mask === undefined || mask[i] === 0 ? weights[i] : 0;
      if (ivar[at] === 0) flux[at] = weight > 0 || Number.isNaN(flux[at]) ? one : flux[at];
      else if (weight > 0) flux[at] += ((one - flux[at]) * weight) / (ivar[at] + weight);
      if (weight > 0) ivar[at] += weight;
    }
  }
  return { wavelength, flux, ivar };
}

interface Redshift {
  readonly z: number;
  readonly warning: number;
  readonly type: string;
}

const textOf = (column: Column | undefined, row: number): string => String(column?.data[row] ?? "").trim();

/** Redshifts by TARGETID from the `redrock-*.fits` beside a `coadd-*.fits`; none where there is no such file. */
async function readRedshifts(path: string): Promise<Map<string, Redshift>> {
  const beside = join(dirname(path), basename(path).replace(/^coadd-/, "redrock-"));
  if (beside === path || !existsSync(beside)) return new Map();
  const file = await openFits(beside);
  try {
    const columns = await readColumns(beside, file.hdu("REDSHIFTS"), ["TARGETID", "Z", "ZWARN", "SPECTYPE"]);
    const [z, warning] = ["Z", "ZWARN"].map((name) => numbers(columns, name));
    return new Map(
      Array.from(z, (value, row) => {
        const type = textOf(columns.get("SPECTYPE"), row);
        return [textOf(columns.get("TARGETID"), row), { z: value, warning: warning[row], type }];
      }),
    );
  } finally {
    await file.close();
  }
}

function warningOf(type: string, id: string, fibreStatus: number, redshift: Redshift | undefined): Warning | undefined {
  if (type === "SKY" || id.startsWith("-")) return "sky fibre";
  if (fibreStatus !== 0) return "fibre flagged";
  if (redshift === undefined) return "no redshift";
  if (redshift.warning !== 0 || !Number.isFinite(redshift.z)) return "redshift warning";
  return warningOfClass(redshift.type);
}

/**
 * DESI `coadd-*.fits`: images [nSpectrum, nPixel] of the cameras B, R, Z and the FIBERMAP; redshifts from the
 * `redrock-*.fits` of the same name in the same folder. MASK other than 0 makes a pixel unusable.
 */
export async function* readDesi(file: FitsFile): AsyncGenerator<ObservedSpectrum, void, undefined> {
  const { path } = file;
  const fibres = await readColumns(
    path,
    file.hdu("FIBERMAP"),
    ["TARGETID"],
    ["OBJTYPE", "COADD_FIBERSTATUS", ...TOTALS.map(([, name]) => name)],
  );
  const count = fibres.get("TARGETID")?.data.length ?? 0;
  const status = numbers(fibres, "COADD_FIBERSTATUS");
  const cameras: Camera[] = [];
  for (const camera of CAMERAS) {
    const read = await readCamera(file, camera, count);
    if (read !== undefined) cameras.push(read);
  }
  const plan = planJoin(cameras.map(({ wavelength }) => wavelength));
  const redshifts = await readRedshifts(path);
  const totals = TOTALS.map(([pivot, name]) => {
    const factor = factorTo(`${path}: column ${name}`, fibres.get(name)?.unit, "nanomaggy");
    return [pivot, numbers(fibres, name).map((x) => x * factor)] as const;
  });
  for (let row = 0; row < count; row++) {
    const id = textOf(fibres.get("TARGETID"), row);
    const redshift = redshifts.get(id);
    const warning = warningOf(textOf(fibres.get("OBJTYPE"), row), id, status[row] ?? 0, redshift);
    const pixels = cameras.map(({ wavelength, flux, ivar, mask }) => {
      const [from, to] = [row * wavelength.length, (row + 1) * wavelength.length];
      return { flux: flux.subarray(from, to), ivar: ivar.subarray(from, to), mask: mask?.subarray(from, to) };
    });
    yield {
      id,
      ...joinCameras(plan, pixels),
      redshift: warning === undefined ? redshift?.z : undefined,
      ...(redshift === undefined
        ? {}
        : {
            pipeline: {
              type: redshift.type,
              ...(warning === undefined || warning === "quasar" ? { redshift: redshift.z } : {}),
            },
          }),
      ...(warning === undefined ? {} : { warning }),
      widths: {},
      totals: totals.flatMap(([pivot, fluxes]) => (fluxes[row] > 0 ? [[pivot, fluxes[row]] as const] : [])),
    };
  }
}
