import { describe, expect, it } from "vitest";
import { scoreCategory, totalLoss, WEIGHTS } from "../bench/challenge-score.js";

/** The photo-z challenge's loss, worked out by hand. */

describe("the loss of the photo-z challenge", () => {
  // dz: .1, .02, -.5, 0, .02; their median is .02; |dz - .02| / (1 + z): .04, 0, .26, .01, 0 -> median .01
  const answers = [
    { z: 1, best: 1.1, sigma: 0.1 },
    { z: 0.25, best: 0.27, sigma: 0.1 },
    { z: 1, best: 0.5, sigma: 0.5 },
    { z: 1, best: 1, sigma: 0.1 },
    { z: 0, best: 0.02, sigma: 0.1 },
  ];
  const score = scoreCategory(answers);

  it("is that of five answers counted by hand", () => {
    expect(score.bias).toBeCloseTo(0.02, 9);
    expect(score.sigmaNmad).toBeCloseTo(0.014826, 9);
    expect(score.outliers).toBeCloseTo(0.2, 9); // .5 > .15 x 2, .1 is not
    // 4 x ln(sqrt(2 pi) 0.1) + ln(sqrt(2 pi) 0.5) = -5.3088; chi2 / 2: .5 + .02 + .5 + 0 + .02 = 1.04; over 5
    expect(score.negLogLik).toBeCloseTo(-0.8538, 3);
    expect(score.loss).toBeCloseTo(0.02 + 0.014826 + 0.2 - 0.05 * 1.8538, 4);
  });

  it("gives no bonus, and no penalty, for bad errors, and no variance below 1e-6", () => {
    const sure = scoreCategory([{ z: 0, best: 0.1, sigma: 0 }]);
    expect(sure.negLogLik).toBeCloseTo(0.5 * Math.log(2e-6 * Math.PI) + 5000, 6);
    expect(sure.loss).toBeCloseTo(0.1, 9);
  });

  it("is weighed by category", () => {
    expect(Object.values(WEIGHTS).reduce((sum, x) => sum + x, 0)).toBeCloseTo(1, 9);
    const of = (loss: number): { loss: number } => ({ loss });
    const scores = {
      GALAXY_ID: of(1),
      GALAXY_MISSING_BANDS: of(2),
      GALAXY_OFFSET: of(3),
      GALAXY_HIGH_Z: of(4),
      QSO: of(5),
    };
    expect(totalLoss(scores)).toBeCloseTo(0.3 + 0.4 + 0.6 + 0.8 + 0.5, 9);
  });
});
