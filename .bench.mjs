// \0rolldown/runtime.js
var __create = Object.create;
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __getProtoOf = Object.getPrototypeOf;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __commonJSMin = (cb, mod) => () => (
  mod || (cb((mod = { exports: {} }).exports, mod, mod.exports), (cb = null)),
  mod.exports
);
var __copyProps = (to, from, except, desc) => {
  if ((from && typeof from === "object") || typeof from === "function")
    for (var keys = __getOwnPropNames(from), i = 0, n = keys.length, key; i < n; i++) {
      key = keys[i];
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, {
          get: ((k) => from[k]).bind(null, key),
          enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable,
        });
    }
  return to;
};
var __toESM = (mod, isNodeMode, target) => (
  (target = mod != null ? __create(__getProtoOf(mod)) : {}),
  __copyProps(
    isNodeMode || !mod || !mod.__esModule || !__hasOwnProp.call(mod, "default")
      ? __defProp(target, "default", {
          value: mod,
          enumerable: true,
        })
      : target,
    mod,
  )
);
// src/model/curve.ts
/** x of an encoded value v. */
function curveAt(c, v) {
  const t = c.rate * v + c.shift;
  return c.offset + c.factor * (c.shape === "linear" ? t : c.shape === "exp" ? Math.exp(t) : Math.sinh(t));
}
/** ln(dx/dv), finite wherever v is. */
function logSlopeAt(c, v) {
  const constant = Math.log(Math.abs(c.factor * c.rate));
  if (c.shape === "linear") return constant;
  const t = c.rate * v + c.shift;
  if (c.shape === "exp") return constant + t;
  const a = Math.abs(t);
  return constant + a + Math.log1p(Math.exp(-2 * a)) - Math.LN2;
}
/** d ln(dx/dv) / dv. */
function logSlopeRate(c, v) {
  if (c.shape === "linear") return 0;
  return c.shape === "exp" ? c.rate : c.rate * Math.tanh(c.rate * v + c.shift);
}
/** x = v. */
const identityCurve = {
  shape: "linear",
  factor: 1,
  rate: 1,
  shift: 0,
  offset: 0,
};
// src/model/normal.ts
/** The standard normal distribution: accurate, in logarithms, and fast. */
/** ln sqrt(2 pi) */
const LOG_SQRT_2PI = 0.9189385332046727;
/** Standard normal density. */
function normalDensity(x) {
  return Math.exp(-0.5 * x * x - LOG_SQRT_2PI);
}
/** Standard normal cdf to about 1e-15 (rational approximations of Hart 1968, as arranged by West 2005). */
function normalCdf(x) {
  const a = Math.abs(x);
  if (a > 37) return x > 0 ? 1 : 0;
  const e = Math.exp(-0.5 * a * a);
  let tail;
  if (a < 7.07106781186547) {
    let top = 0.0352624965998911 * a + 0.700383064443688;
    top = top * a + 6.37396220353165;
    top = top * a + 33.912866078383;
    top = top * a + 112.079291497871;
    top = top * a + 221.213596169931;
    top = top * a + 220.206867912376;
    let bottom = 0.0883883476483184 * a + 1.75566716318264;
    bottom = bottom * a + 16.064177579207;
    bottom = bottom * a + 86.7807322029461;
    bottom = bottom * a + 296.564248779674;
    bottom = bottom * a + 637.333633378831;
    bottom = bottom * a + 793.826512519948;
    bottom = bottom * a + 440.413735824752;
    tail = (e * top) / bottom;
  } else tail = e / (a + 1 / (a + 2 / (a + 3 / (a + 4 / (a + 0.65))))) / 2.506628274631;
  return x > 0 ? 1 - tail : tail;
}
/** ln Phi(x) for x <= 0, beyond where Phi underflows too. */
function logTail(x) {
  if (x > -30) return Math.log(normalCdf(x));
  const y = 1 / (x * x);
  return -0.5 * x * x - LOG_SQRT_2PI - Math.log(-x) + Math.log1p(y * (-1 + y * (3 - 15 * y)));
}
/** ln(Phi(b) - Phi(a)) for a < b, relative in both tails; -Infinity for an empty interval. */
function logNormalBetween(a, b) {
  if (!(a < b)) return -Infinity;
  if (a > 0) return logNormalBetween(-b, -a);
  if (b > 0) return Math.log1p(-normalCdf(a) - normalCdf(-b));
  const upper = logTail(b);
  return a === -Infinity ? upper : upper + Math.log1p(-Math.exp(logTail(a) - upper));
}
/** Phi(b) - Phi(a) for a <= b, relative in both tails. */
function normalBetween(a, b) {
  return a > 0 ? normalCdf(-a) - normalCdf(-b) : normalCdf(b) - normalCdf(a);
}
/** Phi^-1(p) to 4.5e-4 (Abramowitz & Stegun 26.2.23): where to start looking. */
function roughNormalQuantile(p) {
  const t = Math.sqrt(-2 * Math.log(Math.min(p, 1 - p)));
  const x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  return p < 0.5 ? -x : x;
}
function tableOf(f) {
  return Float64Array.from({ length: 1153 }, (_, i) => f(i / 64 - 9));
}
/**
 * Phi and phi at the nodes -9, -9 + 1/64 ... 9. A Taylor step of fourth order from the nearest node is within 1e-12 of Phi
 * and costs no exponential: see `MixtureDistribution.evaluate`.
 */
const cdfTable = tableOf(normalCdf);
const densityTable = tableOf(normalDensity);
// src/model/mixture-moments.ts
/**
 * Mean and standard deviation of curve(V) of a mixture's row. Every component's own moments are closed forms (linear;
 * log-normal; sinh-normal, Johnson 1949) free of cancellation, and so is the sum of the spreads within and between.
 */
function curvedMoments(m, row, curve) {
  const start = row * m.stride;
  const end = start + m.componentCount;
  let mean = 0;
  for (let k = start; k < end; k++) if (m.weight[k] > 0) mean += m.weight[k] * meanOf(m, k, curve);
  let variance = 0;
  for (let k = start; k < end; k++) {
    if (m.weight[k] === 0) continue;
    const off = meanOf(m, k, curve) - mean;
    variance += m.weight[k] * (varianceOf(m, k, curve) + off * off);
  }
  const std = curve.factor * Math.sqrt(variance);
  return {
    mean: curve.offset + curve.factor * mean,
    std: Number.isNaN(std) ? Infinity : Math.abs(std),
  };
}
/** E f(rate V + shift) of component k. */
function meanOf(m, k, { shape, rate, shift }) {
  const t = rate * m.mean[k] + shift;
  const s = rate * m.sigma[k];
  if (shape === "linear") return t;
  return shape === "exp" ? Math.exp(t + 0.5 * s * s) : Math.exp(0.5 * s * s) * Math.sinh(t);
}
function varianceOf(m, k, { shape, rate, shift }) {
  const s = rate * m.sigma[k];
  if (shape === "linear") return s * s;
  const t = rate * m.mean[k] + shift;
  const q = s * s;
  if (shape === "exp") return Math.exp(2 * t + q) * Math.expm1(q);
  return 0.5 * Math.expm1(q) * (Math.exp(q) * Math.cosh(2 * t) + 1);
}
/** Both moments, given low <= V <= high: partial expectations of each component (shifted means, differences of Phi). */
function truncatedMoments(m, row, curve, low, high) {
  const start = row * m.stride;
  const end = start + m.componentCount;
  let mass = 0;
  for (let k = start; k < end; k++) mass += m.weight[k] * massOf(m, k, low, high);
  const centre = pivot(m, start, end, low, high);
  const zero = curveAt(
    {
      ...curve,
      factor: 1,
      offset: 0,
    },
    centre,
  );
  let [first, second] = [0, 0];
  for (let k = start; k < end; k++) {
    if (m.weight[k] === 0) continue;
    const [a, b] = partial(m, k, curve, low, high, zero);
    first += m.weight[k] * a;
    second += m.weight[k] * b;
  }
  const shift = first / mass;
  const variance = Math.max(0, second / mass - shift * shift);
  return {
    mean: curve.offset + curve.factor * (zero + shift),
    std: Math.abs(curve.factor) * (Number.isNaN(variance) && mass > 0 ? Infinity : Math.sqrt(variance)),
  };
}
function massOf(m, k, low, high) {
  return normalBetween((low - m.mean[k]) / m.sigma[k], (high - m.mean[k]) / m.sigma[k]);
}
/** The components' mean, moved between the bounds. */
function pivot(m, start, end, low, high) {
  let mean = 0;
  for (let k = start; k < end; k++) mean += m.weight[k] * m.mean[k];
  return Math.min(Math.max(mean, low), high);
}
/** Integrals over [low, high] of (f - zero) and its square under component k, f = f(rate v + shift). */
function partial(m, k, { shape, rate, shift }, low, high, zero) {
  const [mean, sigma] = [m.mean[k], m.sigma[k]];
  const a = (low - mean) / sigma;
  const b = (high - mean) / sigma;
  const mass = normalBetween(a, b);
  if (shape === "linear") {
    const off = rate * mean + shift - zero;
    const edge = normalDensity(a) - normalDensity(b);
    const moment = mass + times(a, normalDensity(a)) - times(b, normalDensity(b));
    const s = rate * sigma;
    return [off * mass + s * edge, off * off * mass + 2 * off * s * edge + s * s * moment];
  }
  /** Integral of exp(n (rate v + shift)). */
  const tilted = (n) => {
    const s = n * rate * sigma;
    return Math.exp(n * (rate * mean + shift) + 0.5 * s * s + logNormalBetween(a - s, b - s));
  };
  const first = shape === "exp" ? tilted(1) : 0.5 * (tilted(1) - tilted(-1));
  const square = shape === "exp" ? tilted(2) : 0.25 * (tilted(2) + tilted(-2)) - 0.5 * mass;
  return [first - zero * mass, square - 2 * zero * first + zero * zero * mass];
}
/** x times a factor that vanishes faster than x grows. */
function times(x, factor) {
  return factor === 0 ? 0 : x * factor;
}
// src/model/mixture.ts
const mixtureDistribution = (m) => new Mixture(m);
/** Closer to 0 or 1 than this, cdfs are summed from the accurate normal cdf. */
const TAIL = 1e-5;
/** A quantile takes its last step from where the cdf is this close to the level, in units of the smaller tail. */
const CLOSE = 1e-6;
const MOST_STEPS = 200;
/** Components lighter than this are not asked for the mode. */
const LEAST_WEIGHT = 0.01;
var Mixture = class {
  rowCount;
  #m;
  #inverse;
  /** Cdf, density and its derivative at the value evaluated last: no pair is allocated in the inner loop. */
  #at = /* @__PURE__ */ new Float64Array(3);
  #logHeight;
  /** Where all rows are one, what has been worked out serves all. */
  #shared = {};
  constructor(m) {
    this.#m = m;
    this.rowCount = m.rowCount;
    this.#inverse = m.sigma.map((sigma) => 1 / sigma);
  }
  logDensity(row, v) {
    const { componentCount, stride } = this.#m;
    const start = row * stride;
    let top = -Infinity;
    for (let k = start; k < start + componentCount; k++) top = Math.max(top, this.#logTerm(k, v));
    if (!(top > -Infinity)) return top;
    let sum = 0;
    for (let k = start; k < start + componentCount; k++) sum += Math.exp(this.#logTerm(k, v) - top);
    return top + Math.log(sum);
  }
  #logTerm(k, v) {
    const { weight, mean, sigma } = this.#m;
    this.#logHeight ??= weight.map((w, i) => Math.log(w / sigma[i]) - LOG_SQRT_2PI);
    const u = (v - mean[k]) * this.#inverse[k];
    return this.#logHeight[k] - 0.5 * u * u;
  }
  cdf(row, v) {
    const start = row * this.#m.stride;
    this.#evaluate(start, v);
    const below = this.#at[0];
    if (below > TAIL && below < 0.99999) return below;
    this.#evaluateTail(start, v);
    return this.#at[0];
  }
  quantiles(row, levels, out) {
    if (this.#m.stride > 0) return this.#solve(row, levels, out);
    const shared = this.#shared;
    if (!(shared.levels?.length === levels.length && shared.levels.every((level, i) => level === levels[i]))) {
      shared.levels = Float64Array.from(levels);
      shared.quantiles = new Float64Array(levels.length);
      this.#solve(row, levels, shared.quantiles);
    }
    out.set(shared.quantiles);
  }
  /**
   * Halley's method within a bracket, from one level to the next. From a cdf within a millionth of the level the last
   * step, of third order, is far below float32's precision.
   */
  #solve(row, levels, out) {
    const { componentCount, stride, weight, mean, sigma } = this.#m;
    const start = row * stride;
    let [least, most, centre, second] = [Infinity, -Infinity, 0, 0];
    for (let k = start; k < start + componentCount; k++) {
      if (weight[k] === 0) continue;
      least = Math.min(least, mean[k] - 38 * sigma[k]);
      most = Math.max(most, mean[k] + 38 * sigma[k]);
      centre += weight[k] * mean[k];
    }
    for (let k = start; k < start + componentCount; k++)
      second += weight[k] * (sigma[k] * sigma[k] + (mean[k] - centre) * (mean[k] - centre));
    let y = centre + Math.sqrt(second) * roughNormalQuantile(levels[0]);
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i];
      const smaller = Math.min(level, 1 - level);
      let [low, high] = [least, most];
      if (i > 0) y = this.#step(y, levels[i - 1] - level, low, high);
      for (let step = 0; step < MOST_STEPS && high - low > 1e-15 * (Math.abs(low) + Math.abs(high)); step++) {
        if (smaller < TAIL) this.#evaluateTail(start, y);
        else this.#evaluate(start, y);
        const excess = this.#at[0] - level;
        if (excess > 0) high = y;
        else low = y;
        y = this.#step(y, excess, low, high);
        if (Math.abs(excess) <= CLOSE * smaller) break;
      }
      out[i] = y;
      least = y;
    }
  }
  /** From y towards where the cdf is lower by `excess`; the middle of the bracket where that leads out of it. */
  #step(y, excess, low, high) {
    const newton = excess / this.#at[1];
    const bend = 1 - (0.5 * newton * this.#at[2]) / this.#at[1];
    const next = y - newton / Math.min(Math.max(bend, 0.5), 2);
    return next >= low && next <= high ? next : 0.5 * (low + high);
  }
  /** Cdf, density and its derivative by table: a Taylor step of fourth order from the nearest node. */
  #evaluate(start, y) {
    const { componentCount, weight, mean } = this.#m;
    const inverse = this.#inverse;
    let [below, density, slope] = [0, 0, 0];
    for (let k = start; k < start + componentCount; k++) {
      const u = (y - mean[k]) * inverse[k];
      if (u <= -9) continue;
      if (u >= 9) {
        below += weight[k];
        continue;
      }
      const node = ((u + 9) * 64 + 0.5) | 0;
      const x = node / 64 - 9;
      const d = u - x;
      const p = densityTable[node];
      const second = -0.5 * x;
      const third = (x * x - 1) / 6;
      const fourth = (x * (3 - x * x)) / 24;
      below += weight[k] * (cdfTable[node] + p * d * (1 + d * (second + d * (third + d * fourth))));
      const height = weight[k] * inverse[k] * p * (1 + d * (2 * second + d * (3 * third + d * 4 * fourth)));
      density += height;
      slope -= height * u * inverse[k];
    }
    this.#at[0] = below;
    this.#at[1] = density;
    this.#at[2] = slope;
  }
  #evaluateTail(start, y) {
    const { componentCount, weight, mean } = this.#m;
    this.#at.fill(0);
    for (let k = start; k < start + componentCount; k++) {
      const u = (y - mean[k]) * this.#inverse[k];
      const height = weight[k] * this.#inverse[k] * normalDensity(u);
      this.#at[0] += weight[k] * normalCdf(u);
      this.#at[1] += height;
      if (height > 0) this.#at[2] -= height * u * this.#inverse[k];
    }
  }
  sample(row, rng) {
    const { componentCount, stride, weight, mean, sigma } = this.#m;
    let k = row * stride;
    const last = k + componentCount - 1;
    let u = rng.uniform();
    while (k < last && (u -= weight[k]) >= 0) k++;
    return mean[k] + sigma[k] * rng.normal();
  }
  moments(row, curve = identityCurve, low = -Infinity, high = Infinity) {
    return low === -Infinity && high === Infinity
      ? curvedMoments(this.#m, row, curve)
      : truncatedMoments(this.#m, row, curve, low, high);
  }
  mode(row, curve = identityCurve) {
    const shared = this.#m.stride === 0 ? this.#shared : void 0;
    if (shared?.mode?.[0] === curve) return shared.mode[1];
    const mode = this.#findMode(row, curve);
    if (shared !== void 0) shared.mode = [curve, mode];
    return mode;
  }
  /** The best of the components' centres, then a few mean-shift steps uphill (Carreira-Perpinan 2000, eq. 6). */
  #findMode(row, curve) {
    const { componentCount, stride, weight, mean } = this.#m;
    const start = row * stride;
    let [best, top] = [mean[start], -Infinity];
    for (let k = start; k < start + componentCount; k++) {
      if (weight[k] < LEAST_WEIGHT && componentCount < 1 / LEAST_WEIGHT) continue;
      this.#evaluate(start, mean[k]);
      const height = this.#at[1] * Math.exp(-logSlopeAt(curve, mean[k]));
      if (height > top) [top, best] = [height, mean[k]];
    }
    for (let step = 0; step < 20; step++) {
      const next = this.#shifted(start, best, logSlopeRate(curve, best));
      const isSettled = Math.abs(next - best) < 1e-7 * (Math.abs(best) + 0.001);
      best = next;
      if (isSettled) break;
    }
    return best;
  }
  /** Where p(v) e^(-tilt v) would peak if the components kept the shares they have at v. */
  #shifted(start, v, tilt) {
    const { componentCount, weight, mean } = this.#m;
    let [top, bottom] = [0, 0];
    for (let k = start; k < start + componentCount; k++) {
      const inverse = this.#inverse[k];
      const share = weight[k] * inverse * Math.exp(-0.5 * ((v - mean[k]) * inverse) ** 2);
      top += share * (inverse * inverse * mean[k] - tilt);
      bottom += share * inverse * inverse;
    }
    return bottom > 0 ? top / bottom : v;
  }
  widen(error) {
    const { rowCount, componentCount: k, stride, weight, mean, sigma } = this.#m;
    const repeat = (values) =>
      stride === k ? values : Float64Array.from({ length: rowCount * k }, (_, i) => values[startOf(i) + (i % k)]);
    const startOf = (i) => Math.floor(i / k) * stride;
    const wide = repeat(sigma).slice();
    for (let row = 0; row < rowCount; row++) {
      const own = error(row);
      for (let i = row * k; i < (row + 1) * k; i++) wide[i] = Math.hypot(wide[i], own);
    }
    return mixtureDistribution({
      rowCount,
      componentCount: k,
      stride: k,
      weight: repeat(weight),
      mean: repeat(mean),
      sigma: wide,
    });
  }
  /** Exact (Grimit et al. 2006, QJRMS 132, 2925, eq. 5). */
  crps = (row, truth) => {
    const { componentCount, stride, weight, mean, sigma } = this.#m;
    const start = row * stride;
    const spread = stride > 0 ? this.#spread(start) : (this.#shared.spread ??= this.#spread(0));
    let distance = 0;
    for (let k = start; k < start + componentCount; k++)
      distance += weight[k] * meanAbsolute(truth - mean[k], sigma[k] * sigma[k]);
    return distance - spread;
  };
  /** Half of E|Y - Y'|: the part of the CRPS that doesn't depend on the truth. */
  #spread(start) {
    const { componentCount, weight, mean, sigma } = this.#m;
    let sum = 0;
    for (let k = start; k < start + componentCount; k++) {
      const variance = sigma[k] * sigma[k];
      sum += 0.5 * weight[k] * weight[k] * meanAbsolute(0, 2 * variance);
      for (let l = k + 1; l < start + componentCount; l++)
        sum += weight[k] * weight[l] * meanAbsolute(mean[k] - mean[l], variance + sigma[l] * sigma[l]);
    }
    return sum;
  }
};
/** E|Y| of a Gaussian with this mean and variance: A(mu, sigma^2) of Grimit et al. 2006, eq. 6. */
function meanAbsolute(mean, variance) {
  const sigma = Math.sqrt(variance);
  if (sigma === 0) return Math.abs(mean);
  const u = mean / sigma;
  return 2 * sigma * normalDensity(u) + mean * (2 * normalCdf(u) - 1);
}
// ../main/node_modules/seedrandom/lib/alea.js
var require_alea = /* @__PURE__ */ __commonJSMin((exports, module, this$7) => {
  (function (global, module, define) {
    function Alea(seed) {
      var me = this,
        mash = Mash();
      me.next = function () {
        var t = 2091639 * me.s0 + me.c * 23283064365386963e-26;
        me.s0 = me.s1;
        me.s1 = me.s2;
        return (me.s2 = t - (me.c = t | 0));
      };
      me.c = 1;
      me.s0 = mash(" ");
      me.s1 = mash(" ");
      me.s2 = mash(" ");
      me.s0 -= mash(seed);
      if (me.s0 < 0) me.s0 += 1;
      me.s1 -= mash(seed);
      if (me.s1 < 0) me.s1 += 1;
      me.s2 -= mash(seed);
      if (me.s2 < 0) me.s2 += 1;
      mash = null;
    }
    function copy(f, t) {
      t.c = f.c;
      t.s0 = f.s0;
      t.s1 = f.s1;
      t.s2 = f.s2;
      return t;
    }
    function impl(seed, opts) {
      var xg = new Alea(seed),
        state = opts && opts.state,
        prng = xg.next;
      prng.int32 = function () {
        return (xg.next() * 4294967296) | 0;
      };
      prng.double = function () {
        return prng() + ((prng() * 2097152) | 0) * 11102230246251565e-32;
      };
      prng.quick = prng;
      if (state) {
        if (typeof state == "object") copy(state, xg);
        prng.state = function () {
          return copy(xg, {});
        };
      }
      return prng;
    }
    function Mash() {
      var n = 4022871197;
      var mash = function (data) {
        data = String(data);
        for (var i = 0; i < data.length; i++) {
          n += data.charCodeAt(i);
          var h = 0.02519603282416938 * n;
          n = h >>> 0;
          h -= n;
          h *= n;
          n = h >>> 0;
          h -= n;
          n += h * 4294967296;
        }
        return (n >>> 0) * 23283064365386963e-26;
      };
      return mash;
    }
    if (module && module.exports) module.exports = impl;
    else if (define && define.amd)
      define(function () {
        return impl;
      });
    else this.alea = impl;
  })(this$7, typeof module == "object" && module, typeof define == "function" && define);
});
// ../main/node_modules/seedrandom/lib/xor128.js
var require_xor128 = /* @__PURE__ */ __commonJSMin((exports, module, this$6) => {
  (function (global, module, define) {
    function XorGen(seed) {
      var me = this,
        strseed = "";
      me.x = 0;
      me.y = 0;
      me.z = 0;
      me.w = 0;
      me.next = function () {
        var t = me.x ^ (me.x << 11);
        me.x = me.y;
        me.y = me.z;
        me.z = me.w;
        return (me.w ^= (me.w >>> 19) ^ t ^ (t >>> 8));
      };
      if (seed === (seed | 0)) me.x = seed;
      else strseed += seed;
      for (var k = 0; k < strseed.length + 64; k++) {
        me.x ^= strseed.charCodeAt(k) | 0;
        me.next();
      }
    }
    function copy(f, t) {
      t.x = f.x;
      t.y = f.y;
      t.z = f.z;
      t.w = f.w;
      return t;
    }
    function impl(seed, opts) {
      var xg = new XorGen(seed),
        state = opts && opts.state,
        prng = function () {
          return (xg.next() >>> 0) / 4294967296;
        };
      prng.double = function () {
        do var result = ((xg.next() >>> 11) + (xg.next() >>> 0) / 4294967296) / (1 << 21);
        while (result === 0);
        return result;
      };
      prng.int32 = xg.next;
      prng.quick = prng;
      if (state) {
        if (typeof state == "object") copy(state, xg);
        prng.state = function () {
          return copy(xg, {});
        };
      }
      return prng;
    }
    if (module && module.exports) module.exports = impl;
    else if (define && define.amd)
      define(function () {
        return impl;
      });
    else this.xor128 = impl;
  })(this$6, typeof module == "object" && module, typeof define == "function" && define);
});
// ../main/node_modules/seedrandom/lib/xorwow.js
var require_xorwow = /* @__PURE__ */ __commonJSMin((exports, module, this$5) => {
  (function (global, module, define) {
    function XorGen(seed) {
      var me = this,
        strseed = "";
      me.next = function () {
        var t = me.x ^ (me.x >>> 2);
        me.x = me.y;
        me.y = me.z;
        me.z = me.w;
        me.w = me.v;
        return ((me.d = (me.d + 362437) | 0) + (me.v = me.v ^ (me.v << 4) ^ (t ^ (t << 1)))) | 0;
      };
      me.x = 0;
      me.y = 0;
      me.z = 0;
      me.w = 0;
      me.v = 0;
      if (seed === (seed | 0)) me.x = seed;
      else strseed += seed;
      for (var k = 0; k < strseed.length + 64; k++) {
        me.x ^= strseed.charCodeAt(k) | 0;
        if (k == strseed.length) me.d = (me.x << 10) ^ (me.x >>> 4);
        me.next();
      }
    }
    function copy(f, t) {
      t.x = f.x;
      t.y = f.y;
      t.z = f.z;
      t.w = f.w;
      t.v = f.v;
      t.d = f.d;
      return t;
    }
    function impl(seed, opts) {
      var xg = new XorGen(seed),
        state = opts && opts.state,
        prng = function () {
          return (xg.next() >>> 0) / 4294967296;
        };
      prng.double = function () {
        do var result = ((xg.next() >>> 11) + (xg.next() >>> 0) / 4294967296) / (1 << 21);
        while (result === 0);
        return result;
      };
      prng.int32 = xg.next;
      prng.quick = prng;
      if (state) {
        if (typeof state == "object") copy(state, xg);
        prng.state = function () {
          return copy(xg, {});
        };
      }
      return prng;
    }
    if (module && module.exports) module.exports = impl;
    else if (define && define.amd)
      define(function () {
        return impl;
      });
    else this.xorwow = impl;
  })(this$5, typeof module == "object" && module, typeof define == "function" && define);
});
// ../main/node_modules/seedrandom/lib/xorshift7.js
var require_xorshift7 = /* @__PURE__ */ __commonJSMin((exports, module, this$4) => {
  (function (global, module, define) {
    function XorGen(seed) {
      var me = this;
      me.next = function () {
        var X = me.x,
          i = me.i,
          t = X[i],
          v;
        t ^= t >>> 7;
        v = t ^ (t << 24);
        t = X[(i + 1) & 7];
        v ^= t ^ (t >>> 10);
        t = X[(i + 3) & 7];
        v ^= t ^ (t >>> 3);
        t = X[(i + 4) & 7];
        v ^= t ^ (t << 7);
        t = X[(i + 7) & 7];
        t = t ^ (t << 13);
        v ^= t ^ (t << 9);
        X[i] = v;
        me.i = (i + 1) & 7;
        return v;
      };
      function init(me, seed) {
        var j,
          X = [];
        if (seed === (seed | 0)) X[0] = seed;
        else {
          seed = "" + seed;
          for (j = 0; j < seed.length; ++j) X[j & 7] = (X[j & 7] << 15) ^ ((seed.charCodeAt(j) + X[(j + 1) & 7]) << 13);
        }
        while (X.length < 8) X.push(0);
        for (j = 0; j < 8 && X[j] === 0; ++j);
        if (j == 8) X[7] = -1;
        else X[j];
        me.x = X;
        me.i = 0;
        for (j = 256; j > 0; --j) me.next();
      }
      init(me, seed);
    }
    function copy(f, t) {
      t.x = f.x.slice();
      t.i = f.i;
      return t;
    }
    function impl(seed, opts) {
      if (seed == null) seed = +(/* @__PURE__ */ new Date());
      var xg = new XorGen(seed),
        state = opts && opts.state,
        prng = function () {
          return (xg.next() >>> 0) / 4294967296;
        };
      prng.double = function () {
        do var result = ((xg.next() >>> 11) + (xg.next() >>> 0) / 4294967296) / (1 << 21);
        while (result === 0);
        return result;
      };
      prng.int32 = xg.next;
      prng.quick = prng;
      if (state) {
        if (state.x) copy(state, xg);
        prng.state = function () {
          return copy(xg, {});
        };
      }
      return prng;
    }
    if (module && module.exports) module.exports = impl;
    else if (define && define.amd)
      define(function () {
        return impl;
      });
    else this.xorshift7 = impl;
  })(this$4, typeof module == "object" && module, typeof define == "function" && define);
});
// ../main/node_modules/seedrandom/lib/xor4096.js
var require_xor4096 = /* @__PURE__ */ __commonJSMin((exports, module, this$3) => {
  (function (global, module, define) {
    function XorGen(seed) {
      var me = this;
      me.next = function () {
        var w = me.w,
          X = me.X,
          i = me.i,
          t,
          v;
        me.w = w = (w + 1640531527) | 0;
        v = X[(i + 34) & 127];
        t = X[(i = (i + 1) & 127)];
        v ^= v << 13;
        t ^= t << 17;
        v ^= v >>> 15;
        t ^= t >>> 12;
        v = X[i] = v ^ t;
        me.i = i;
        return (v + (w ^ (w >>> 16))) | 0;
      };
      function init(me, seed) {
        var t,
          v,
          i,
          j,
          w,
          X = [],
          limit = 128;
        if (seed === (seed | 0)) {
          v = seed;
          seed = null;
        } else {
          seed = seed + "\0";
          v = 0;
          limit = Math.max(limit, seed.length);
        }
        for (i = 0, j = -32; j < limit; ++j) {
          if (seed) v ^= seed.charCodeAt((j + 32) % seed.length);
          if (j === 0) w = v;
          v ^= v << 10;
          v ^= v >>> 15;
          v ^= v << 4;
          v ^= v >>> 13;
          if (j >= 0) {
            w = (w + 1640531527) | 0;
            t = X[j & 127] ^= v + w;
            i = 0 == t ? i + 1 : 0;
          }
        }
        if (i >= 128) X[((seed && seed.length) || 0) & 127] = -1;
        i = 127;
        for (j = 512; j > 0; --j) {
          v = X[(i + 34) & 127];
          t = X[(i = (i + 1) & 127)];
          v ^= v << 13;
          t ^= t << 17;
          v ^= v >>> 15;
          t ^= t >>> 12;
          X[i] = v ^ t;
        }
        me.w = w;
        me.X = X;
        me.i = i;
      }
      init(me, seed);
    }
    function copy(f, t) {
      t.i = f.i;
      t.w = f.w;
      t.X = f.X.slice();
      return t;
    }
    function impl(seed, opts) {
      if (seed == null) seed = +(/* @__PURE__ */ new Date());
      var xg = new XorGen(seed),
        state = opts && opts.state,
        prng = function () {
          return (xg.next() >>> 0) / 4294967296;
        };
      prng.double = function () {
        do var result = ((xg.next() >>> 11) + (xg.next() >>> 0) / 4294967296) / (1 << 21);
        while (result === 0);
        return result;
      };
      prng.int32 = xg.next;
      prng.quick = prng;
      if (state) {
        if (state.X) copy(state, xg);
        prng.state = function () {
          return copy(xg, {});
        };
      }
      return prng;
    }
    if (module && module.exports) module.exports = impl;
    else if (define && define.amd)
      define(function () {
        return impl;
      });
    else this.xor4096 = impl;
  })(this$3, typeof module == "object" && module, typeof define == "function" && define);
});
// ../main/node_modules/seedrandom/lib/tychei.js
var require_tychei = /* @__PURE__ */ __commonJSMin((exports, module, this$2) => {
  (function (global, module, define) {
    function XorGen(seed) {
      var me = this,
        strseed = "";
      me.next = function () {
        var b = me.b,
          c = me.c,
          d = me.d,
          a = me.a;
        b = (b << 25) ^ (b >>> 7) ^ c;
        c = (c - d) | 0;
        d = (d << 24) ^ (d >>> 8) ^ a;
        a = (a - b) | 0;
        me.b = b = (b << 20) ^ (b >>> 12) ^ c;
        me.c = c = (c - d) | 0;
        me.d = (d << 16) ^ (c >>> 16) ^ a;
        return (me.a = (a - b) | 0);
      };
      me.a = 0;
      me.b = 0;
      me.c = -1640531527;
      me.d = 1367130551;
      if (seed === Math.floor(seed)) {
        me.a = (seed / 4294967296) | 0;
        me.b = seed | 0;
      } else strseed += seed;
      for (var k = 0; k < strseed.length + 20; k++) {
        me.b ^= strseed.charCodeAt(k) | 0;
        me.next();
      }
    }
    function copy(f, t) {
      t.a = f.a;
      t.b = f.b;
      t.c = f.c;
      t.d = f.d;
      return t;
    }
    function impl(seed, opts) {
      var xg = new XorGen(seed),
        state = opts && opts.state,
        prng = function () {
          return (xg.next() >>> 0) / 4294967296;
        };
      prng.double = function () {
        do var result = ((xg.next() >>> 11) + (xg.next() >>> 0) / 4294967296) / (1 << 21);
        while (result === 0);
        return result;
      };
      prng.int32 = xg.next;
      prng.quick = prng;
      if (state) {
        if (typeof state == "object") copy(state, xg);
        prng.state = function () {
          return copy(xg, {});
        };
      }
      return prng;
    }
    if (module && module.exports) module.exports = impl;
    else if (define && define.amd)
      define(function () {
        return impl;
      });
    else this.tychei = impl;
  })(this$2, typeof module == "object" && module, typeof define == "function" && define);
});
// (ignored) ../main/node_modules/seedrandom
var require_seedrandom$2 = /* @__PURE__ */ __commonJSMin(() => {});
// ../main/node_modules/seedrandom/seedrandom.js
var require_seedrandom$1 = /* @__PURE__ */ __commonJSMin((exports, module, this$1) => {
  (function (global, pool, math) {
    var width = 256,
      chunks = 6,
      digits = 52,
      rngname = "random",
      startdenom = math.pow(width, chunks),
      significance = math.pow(2, digits),
      overflow = significance * 2,
      mask = width - 1,
      nodecrypto;
    function seedrandom(seed, options, callback) {
      var key = [];
      options = options == true ? { entropy: true } : options || {};
      var shortseed = mixkey(
        flatten(options.entropy ? [seed, tostring(pool)] : seed == null ? autoseed() : seed, 3),
        key,
      );
      var arc4 = new ARC4(key);
      var prng = function () {
        var n = arc4.g(chunks),
          d = startdenom,
          x = 0;
        while (n < significance) {
          n = (n + x) * width;
          d *= width;
          x = arc4.g(1);
        }
        while (n >= overflow) {
          n /= 2;
          d /= 2;
          x >>>= 1;
        }
        return (n + x) / d;
      };
      prng.int32 = function () {
        return arc4.g(4) | 0;
      };
      prng.quick = function () {
        return arc4.g(4) / 4294967296;
      };
      prng.double = prng;
      mixkey(tostring(arc4.S), pool);
      return (
        options.pass ||
        callback ||
        function (prng, seed, is_math_call, state) {
          if (state) {
            if (state.S) copy(state, arc4);
            prng.state = function () {
              return copy(arc4, {});
            };
          }
          if (is_math_call) {
            math[rngname] = prng;
            return seed;
          } else return prng;
        }
      )(prng, shortseed, "global" in options ? options.global : this == math, options.state);
    }
    function ARC4(key) {
      var t,
        keylen = key.length,
        me = this,
        i = 0,
        j = (me.i = me.j = 0),
        s = (me.S = []);
      if (!keylen) key = [keylen++];
      while (i < width) s[i] = i++;
      for (i = 0; i < width; i++) {
        s[i] = s[(j = mask & (j + key[i % keylen] + (t = s[i])))];
        s[j] = t;
      }
      (me.g = function (count) {
        var t,
          r = 0,
          i = me.i,
          j = me.j,
          s = me.S;
        while (count--) {
          t = s[(i = mask & (i + 1))];
          r = r * width + s[mask & ((s[i] = s[(j = mask & (j + t))]) + (s[j] = t))];
        }
        me.i = i;
        me.j = j;
        return r;
      })(width);
    }
    function copy(f, t) {
      t.i = f.i;
      t.j = f.j;
      t.S = f.S.slice();
      return t;
    }
    function flatten(obj, depth) {
      var result = [],
        typ = typeof obj,
        prop;
      if (depth && typ == "object")
        for (prop in obj)
          try {
            result.push(flatten(obj[prop], depth - 1));
          } catch (e) {}
      return result.length ? result : typ == "string" ? obj : obj + "\0";
    }
    function mixkey(seed, key) {
      var stringseed = seed + "",
        smear,
        j = 0;
      while (j < stringseed.length) key[mask & j] = mask & ((smear ^= key[mask & j] * 19) + stringseed.charCodeAt(j++));
      return tostring(key);
    }
    function autoseed() {
      try {
        var out;
        if (nodecrypto && (out = nodecrypto.randomBytes)) out = out(width);
        else {
          out = new Uint8Array(width);
          (global.crypto || global.msCrypto).getRandomValues(out);
        }
        return tostring(out);
      } catch (e) {
        var browser = global.navigator,
          plugins = browser && browser.plugins;
        return [+(/* @__PURE__ */ new Date()), global, plugins, global.screen, tostring(pool)];
      }
    }
    function tostring(a) {
      return String.fromCharCode.apply(0, a);
    }
    mixkey(math.random(), pool);
    if (typeof module == "object" && module.exports) {
      module.exports = seedrandom;
      try {
        nodecrypto = require_seedrandom$2();
      } catch (ex) {}
    } else if (typeof define == "function" && define.amd)
      define(function () {
        return seedrandom;
      });
    else math["seed" + rngname] = seedrandom;
  })(typeof self !== "undefined" ? self : this$1, [], Math);
});
// src/random.ts
var import_seedrandom = /* @__PURE__ */ __toESM(
  /* @__PURE__ */ __commonJSMin((exports, module) => {
    var alea = require_alea();
    var xor128 = require_xor128();
    var xorwow = require_xorwow();
    var xorshift7 = require_xorshift7();
    var xor4096 = require_xor4096();
    var tychei = require_tychei();
    var sr = require_seedrandom$1();
    sr.alea = alea;
    sr.xor128 = xor128;
    sr.xorwow = xorwow;
    sr.xorshift7 = xorshift7;
    sr.xor4096 = xor4096;
    sr.tychei = tychei;
    module.exports = sr;
  })(),
  1,
);
/** The same seed gives the same stream on every machine. Derive streams by name: `createRng(`${seed}:step:${step}`)`. */
function createRng(seed) {
  const alea = import_seedrandom.default.alea(seed);
  let spare;
  return {
    uniform: () => alea(),
    integer: (n) => Math.floor(alea() * n),
    normal: () => {
      if (spare !== void 0) {
        const value = spare;
        spare = void 0;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - alea()));
      const angle = 2 * Math.PI * alea();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}
// ../../tmp/bench.ts
const rng = createRng("b");
const N = 2e4;
const K = 8;
const weight = new Float64Array(N * K);
const mean = new Float64Array(N * K);
const sigma = new Float64Array(N * K);
for (let i = 0; i < N; i++) {
  let t = 0;
  for (let k = 0; k < K; k++) {
    t += weight[i * K + k] = Math.exp(1.5 * rng.normal());
    mean[i * K + k] = 0.3 * rng.normal();
    sigma[i * K + k] = Math.exp(-1.5 + 0.7 * rng.normal());
  }
  for (let k = 0; k < K; k++) weight[i * K + k] /= t;
}
const levels = Float64Array.of(0.05, 0.16, 0.5, 0.84, 0.95);
const out = /* @__PURE__ */ new Float64Array(5);
const curve = {
  shape: "exp",
  factor: 1,
  rate: 0.2,
  shift: 0.3,
  offset: -1,
};
const d = mixtureDistribution({
  rowCount: N,
  componentCount: K,
  stride: K,
  weight,
  mean,
  sigma,
});
const time = (name, f) => {
  for (let r = 0; r < 3; r++) {
    const t = performance.now();
    for (let i = 0; i < N; i++) f(i);
    if (r == 2) console.log(name, (((performance.now() - t) * 1e3) / N).toFixed(3), "us");
  }
};
let s = 0;
time("quantiles", (i) => {
  d.quantiles(i, levels, out);
  s += out[0];
});
time("moments", (i) => {
  s += d.moments(i, curve).mean;
});
time("mode", (i) => {
  s += d.mode(i, curve);
});
time("2 cdf", (i) => {
  s += d.cdf(i, 0.1) - d.cdf(i, -0.1);
});
let worst = 0;
for (let i = 0; i < N; i++) {
  d.quantiles(i, levels, out);
  for (let q = 0; q < 5; q++) worst = Math.max(worst, Math.abs(d.cdf(i, out[q]) - levels[q]));
}
console.log("worst", worst, s);
