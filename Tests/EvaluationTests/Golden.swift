import Testing

/// A pair of images made by formula, and the numbers `make_goldens.py` prints for it.
struct Golden: Sendable, CustomTestStringConvertible {
  let width: Int
  let height: Int
  let strength: Int
  let ssim: Double
  let psnr: Double

  var testDescription: String { "\(width)x\(height), strength \(strength)" }

  var original: [UInt8] { Self.original(width, height) }

  var reconstruction: [UInt8] {
    Self.pixels(width, height) { x, y, c in
      let noise = x * 31 + y * 17 + c * 11 + (x * y) % 13 * 7
      let value = Self.value(x, y, c) + noise % (2 * strength + 1) - strength
      return min(max(value, 0), 255)
    }
  }

  static func original(_ width: Int, _ height: Int) -> [UInt8] { pixels(width, height, value) }

  private static func value(_ x: Int, _ y: Int, _ c: Int) -> Int {
    (x * 7 + y * 13 + c * 29 + (x * y) % 17 * 5) % 256
  }

  private static func pixels(_ width: Int, _ height: Int, _ value: (Int, Int, Int) -> Int)
    -> [UInt8]
  {
    (0..<height).flatMap { y in
      (0..<width).flatMap { x in (0..<3).map { UInt8(value(x, y, $0)) } }
    }
  }

  static let all = [
    Golden(width: 11, height: 11, strength: 1, ssim: 0.999722117902, psnr: 49.927757441924),
    Golden(width: 11, height: 11, strength: 10, ssim: 0.985776847318, psnr: 32.540612330782),
    Golden(width: 11, height: 11, strength: 60, ssim: 0.713396982142, psnr: 17.827427448478),
    Golden(width: 16, height: 12, strength: 1, ssim: 0.999829218115, psnr: 49.925778686155),
    Golden(width: 16, height: 12, strength: 10, ssim: 0.990725240765, psnr: 32.546468105967),
    Golden(width: 16, height: 12, strength: 60, ssim: 0.789248557560, psnr: 18.005887884352),
    Golden(width: 33, height: 47, strength: 1, ssim: 0.999820996952, psnr: 49.908549339763),
    Golden(width: 33, height: 47, strength: 10, ssim: 0.990356544676, psnr: 32.568686133488),
    Golden(width: 33, height: 47, strength: 60, ssim: 0.779978137875, psnr: 17.848895246212),
    Golden(width: 64, height: 64, strength: 1, ssim: 0.999824091785, psnr: 49.908181856994),
    Golden(width: 64, height: 64, strength: 10, ssim: 0.990511542231, psnr: 32.575502014157),
    Golden(width: 64, height: 64, strength: 60, ssim: 0.781163408365, psnr: 17.832940250452),
  ]
}
