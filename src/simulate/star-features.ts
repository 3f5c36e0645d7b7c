/**
 * What absorbs in the spectra of stars. A row is `group shape p q | depths`: depth in ln f_lambda at the effective
 * temperatures of the first row [K], linear in between, of
 * - `line c s`: a Gaussian, centre and sigma [Angstrom]
 * - `wing c w`: a Lorentzian, centre and half width at half depth
 * - `edge c w`: all that is blueward of c, over a width w
 * - `head c w`: a band that begins at c and fades redward over w
 *
 * Wavelengths in vacuum. Groups differ in how they follow gravity and metallicity (`star-spectra.ts`). Positions are those
 * of spectral atlases (Gray & Corbally 2009, Stellar Spectral Classification; TiO, VO and CaH: Kirkpatrick, Henry &
 * McCarthy 1991, ApJS 77, 417; Valenti, Piskunov & Johns-Krull 1998, ApJ 498, 851), depths are set by hand to how strong they look there.
 */
export const STAR_FEATURES = `
temperature | 2400 2800 3200 3600 4000 4500 5200 6000 7000 8000 9500 12000 20000 40000
balmer edge 3715 35 | 0 0 0 0 0 0 0.05 0.15 0.4 0.7 0.85 0.6 0.25 0.1
balmer line 6564.6 4 | 0 0 0 0 0.1 0.12 0.22 0.35 0.45 0.35 0.3 0.3 0.25 0.15
balmer wing 6564.6 13 | 0 0 0 0 0 0 0.02 0.06 0.2 0.45 0.55 0.4 0.2 0.05
balmer line 4862.7 4 | 0 0 0 0 0.05 0.1 0.2 0.35 0.45 0.35 0.3 0.3 0.25 0.15
balmer wing 4862.7 15 | 0 0 0 0 0 0 0.02 0.06 0.25 0.55 0.65 0.45 0.2 0.05
balmer line 4341.7 4 | 0 0 0 0 0 0.05 0.15 0.3 0.45 0.35 0.3 0.3 0.25 0.15
balmer wing 4341.7 15 | 0 0 0 0 0 0 0.02 0.06 0.25 0.6 0.7 0.45 0.2 0.05
balmer line 4102.9 4 | 0 0 0 0 0 0 0.12 0.28 0.45 0.35 0.3 0.3 0.25 0.15
balmer wing 4102.9 15 | 0 0 0 0 0 0 0.02 0.06 0.25 0.6 0.7 0.45 0.2 0.05
balmer wing 3971.2 13 | 0 0 0 0 0 0 0 0.06 0.25 0.55 0.65 0.4 0.2 0.05
balmer wing 3890.2 11 | 0 0 0 0 0 0 0 0.06 0.25 0.5 0.6 0.4 0.2 0.05
balmer wing 3836.5 10 | 0 0 0 0 0 0 0 0.05 0.2 0.45 0.55 0.35 0.15 0.05
balmer wing 3798.9 9 | 0 0 0 0 0 0 0 0.04 0.15 0.4 0.5 0.3 0.1 0
metal line 3934.8 7 | 0.6 0.7 0.8 1 1.3 1.4 1.2 0.7 0.35 0.2 0.1 0 0 0
metal line 3969.6 7 | 0.6 0.7 0.8 1 1.2 1.3 1.1 0.6 0.3 0.15 0.05 0 0 0
metal line 3860 35 | 0 0 0 0.1 0.3 0.45 0.4 0.2 0.05 0 0 0 0 0
metal line 4200 15 | 0 0 0 0 0.15 0.25 0.15 0.04 0 0 0 0 0 0
metal line 4228 5 | 1.5 1.4 1.2 1 0.9 0.55 0.22 0.06 0 0 0 0 0 0
metal line 4304 18 | 0 0 0.1 0.2 0.35 0.5 0.4 0.2 0.05 0 0 0 0 0
metal line 4385 8 | 0 0 0 0.1 0.25 0.3 0.2 0.08 0.03 0 0 0 0 0
metal line 4533 9 | 0 0 0 0.1 0.15 0.15 0.1 0.03 0 0 0 0 0 0
metal line 4670 20 | 0 0 0 0.05 0.1 0.12 0.07 0.02 0 0 0 0 0 0
metal line 5271 9 | 0 0 0.05 0.15 0.2 0.2 0.13 0.05 0.02 0 0 0 0 0
metal line 5330 8 | 0 0 0.05 0.12 0.15 0.15 0.1 0.04 0 0 0 0 0 0
metal line 5407 8 | 0 0 0 0.08 0.1 0.1 0.06 0.02 0 0 0 0 0 0
metal line 6497 8 | 0 0 0.05 0.1 0.1 0.1 0.06 0.02 0 0 0 0 0 0
metal line 8500.4 4 | 0.25 0.3 0.35 0.4 0.45 0.45 0.42 0.33 0.25 0.15 0.05 0 0 0
metal line 8544.4 5 | 0.4 0.45 0.5 0.6 0.65 0.65 0.55 0.45 0.35 0.2 0.1 0 0 0
metal line 8664.5 5 | 0.35 0.4 0.45 0.5 0.55 0.55 0.5 0.4 0.3 0.2 0.1 0 0 0
dwarf line 5176 15 | 0.2 0.3 0.4 0.5 0.6 0.5 0.3 0.12 0.03 0 0 0 0 0
dwarf line 5110 60 | 0 0 0.1 0.18 0.25 0.2 0.06 0 0 0 0 0 0 0
dwarf line 5894.6 7 | 1.3 1.2 1 0.8 0.55 0.35 0.17 0.08 0.03 0 0 0 0 0
dwarf line 7667 7 | 1.4 0.9 0.45 0.2 0.05 0 0 0 0 0 0 0 0 0
dwarf line 7701 7 | 1.2 0.8 0.4 0.15 0.05 0 0 0 0 0 0 0 0 0
dwarf line 8192 9 | 0.9 0.7 0.45 0.2 0.05 0 0 0 0 0 0 0 0 0
dwarf line 6900 70 | 0.4 0.4 0.32 0.16 0.03 0 0 0 0 0 0 0 0 0
dwarf head 6348 50 | 0.3 0.3 0.25 0.12 0.02 0 0 0 0 0 0 0 0 0
dwarf line 5532 35 | 0.5 0.45 0.25 0.08 0 0 0 0 0 0 0 0 0 0
dwarf head 9898 120 | 0.6 0.4 0.15 0 0 0 0 0 0 0 0 0 0 0
molecule head 4762 110 | 0.8 0.7 0.55 0.28 0.06 0 0 0 0 0 0 0 0 0
molecule head 4956 120 | 1 0.85 0.65 0.35 0.09 0 0 0 0 0 0 0 0 0
molecule head 5169 150 | 1.2 1 0.8 0.42 0.11 0 0 0 0 0 0 0 0 0
molecule head 5450 150 | 0.9 0.7 0.5 0.26 0.06 0 0 0 0 0 0 0 0 0
molecule head 5849 150 | 0.8 0.65 0.5 0.26 0.06 0 0 0 0 0 0 0 0 0
molecule head 6160 180 | 1 0.85 0.7 0.36 0.09 0 0 0 0 0 0 0 0 0
molecule head 6653 130 | 0.9 0.75 0.55 0.26 0.05 0 0 0 0 0 0 0 0 0
molecule head 7055 180 | 1.3 1.15 0.9 0.42 0.07 0 0 0 0 0 0 0 0 0
molecule head 7591 130 | 1 0.8 0.5 0.2 0.03 0 0 0 0 0 0 0 0 0
molecule head 8434 110 | 0.7 0.55 0.32 0.1 0 0 0 0 0 0 0 0 0 0
molecule head 8861 100 | 0.7 0.5 0.28 0.08 0 0 0 0 0 0 0 0 0 0
molecule head 9211 100 | 0.5 0.35 0.18 0.04 0 0 0 0 0 0 0 0 0 0
molecule line 7430 70 | 0.9 0.45 0.1 0 0 0 0 0 0 0 0 0 0 0
molecule line 7920 60 | 1 0.5 0.1 0 0 0 0 0 0 0 0 0 0 0
metal edge 3870 40 | 0.4 0.4 0.4 0.5 0.6 0.45 0.15 0 0 0 0 0 0 0
metal edge 3600 120 | 0 0 0 0 0 0.3 0.2 0.1 0.05 0 0 0 0 0
metal edge 3150 120 | 0.5 0.5 0.5 0.6 0.8 0.9 0.7 0.35 0.15 0.1 0.05 0 0 0
metal edge 2650 80 | 0.5 0.5 0.5 0.6 0.9 1 0.9 0.6 0.3 0.15 0.05 0 0 0
metal edge 2100 100 | 1 1 1 1 1.5 1.5 1.5 1.3 0.8 0.3 0.1 0 0 0
metal line 2800 25 | 0.5 0.5 0.5 0.8 1 1 1 0.9 0.6 0.3 0.1 0 0 0
`;

/**
 * Correction of ln f_lambda of a black body with the features above, by which dwarfs have the colours of the stars that
 * S-PLUS finds in Stripe 82 (half of them: those of odd row): relative to r, at the pivots [Angstrom] of the first row, a row
 * for each effective temperature [K]; linear in both logarithms.
 */
export const STAR_COLOURS = `
wavelength | 3533 3782 3939 4108 4303 4790 5141 6257 6604 7656 8610 8965
3300 | 0.28 -0.09 -0.19 -0.1 -0.29 0.56 0.37 0 0.38 0.78 0.79 0.81
3450 | 0.08 -0.14 -0.23 -0.26 -0.33 0.44 0.29 0 0.37 0.71 0.71 0.71
3550 | -0.08 -0.37 -0.38 -0.42 -0.45 0.29 0.12 0 0.25 0.48 0.49 0.46
3700 | -0.2 -0.64 -0.53 -0.56 -0.56 0.14 -0.06 0 0.14 0.24 0.29 0.21
3870 | -0.33 -0.69 -0.6 -0.63 -0.52 0.1 -0.14 0 0.11 0.14 0.2 0.14
4070 | -0.36 -0.68 -0.67 -0.62 -0.4 0.07 -0.19 0 0.04 0.02 0.05 0.02
4440 | -0.03 -0.58 -0.44 -0.34 -0.15 0.02 -0.09 0 -0.02 -0.06 -0.04 -0.08
5000 | 0.13 -0.15 -0.05 -0.04 0.03 0.04 0.1 0 0 -0.04 0 -0.05
5270 | 0.17 -0.05 0.11 0.05 0.1 0.05 0.11 0 0.01 -0.03 -0.01 -0.06
5660 | 0.09 0 0.14 0.1 0.11 0 0.09 0 0 -0.03 0 -0.05
5930 | 0.1 0.03 0.25 0.12 0.17 -0.02 0.09 0 0 -0.04 0 -0.05
6300 | 0.1 0.04 0.3 0.14 0.19 -0.01 0.07 0 -0.01 -0.04 -0.02 -0.03
7200 | -0.07 -0.15 0.2 0.13 0.16 -0.04 0.06 0 0.03 -0.04 0.02 -0.02
8100 | -0.17 -0.15 0.39 0.36 0.3 0.02 0.13 0 0.02 -0.1 -0.06 -0.02
9600 | -0.26 -0.14 0.33 0.29 0.26 0.1 0.1 0 0.05 -0.06 -0.06 -0.02
`;
