import Autodiff
import CPUBackend
import Execution
import Foundation
import TestSupport
import Testing
import Tokenizers

/// Quantizers of signs, against their definitions in double precision.
struct BinaryQuantizersTests {
  private let rows = 9
  private let bits = 5
  private var z: [Float] { HashedNumbers.values("z", count: rows * bits, amplitude: 2) }
  private var upstream: [Float] { HashedNumbers.values("g", count: rows * bits) }

  private func row(_ x: [Float], _ index: Int) -> [Double] {
    x[(index * bits)..<((index + 1) * bits)].map(Double.init)
  }
  private func length(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  private func lfq(
    _ z: [Float], commitmentWeight: Double = 0, entropyWeight: Double = 0, entropyGroup: Int = 5
  ) -> QuantizerRun {
    QuantizerRun(z, dimension: bits, upstream: upstream, parameters: [:]) { _ in
      LookupFreeQuantizer(
        LookupFreeConfiguration(
          bits: bits, commitmentWeight: commitmentWeight, entropyWeight: entropyWeight,
          diversity: 0.7, temperature: 2, entropyGroup: entropyGroup))
    }
  }

  private func bsq(
    _ z: [Float], commitmentWeight: Double = 0, entropyWeight: Double = 0
  ) -> QuantizerRun {
    QuantizerRun(z, dimension: bits, upstream: upstream, parameters: [:]) { _ in
      BinarySphericalQuantizer(
        BinarySphericalConfiguration(
          bits: bits, commitmentWeight: commitmentWeight, entropyWeight: entropyWeight))
    }
  }

  /// Signs are the nearest corner; channel 0 is the least significant bit.
  @Test func lookupFreeTokensAreSigns() {
    let found = lfq(z).results
    for index in 0..<rows {
      let x = row(z, index)
      let token = x.enumerated().reduce(0) { $0 + ($1.element > 0 ? 1 << $1.offset : 0) }
      #expect(found["tokens"]![index] == Float(token))
    }
    #expect(found["codes"] == z.map { $0 > 0 ? 1 : -1 })
    #expect(found["decoded"] == found["codes"])
    #expect(found["dz"] == upstream, "straight through")
    #expect(lfq(z.map { _ in 0 }).results["codes"]!.allSatisfy { $0 == -1 })
    var broken = z
    broken[1] = .nan
    #expect(lfq(broken).results["tokens"]![0] == -1)
  }

  /// The losses with a table of all codes, which the quantizer does without.
  @Test func theLossesAreThoseOfATableOfAllCodes() {
    func loss(_ z: [Double]) -> Double {
      var (commitment, sure) = (0.0, 0.0)
      var mean = [Double](repeating: 0, count: 1 << bits)
      func entropy(_ p: [Double]) -> Double { p.reduce(0) { $0 - $1 * log($1) } }
      for index in 0..<rows {
        let x = Array(z[(index * bits)..<((index + 1) * bits)])
        let weights = (0..<(1 << bits)).map { code in
          let squares = x.indices.map { pow(x[$0] - (code >> $0 & 1 == 1 ? 1 : -1), 2) }
          return exp(-squares.reduce(0, +) / 2)
        }
        let p = weights.map { $0 / weights.reduce(0, +) }
        sure += entropy(p) / Double(rows)
        for code in p.indices { mean[code] += p[code] / Double(rows) }
        commitment += x.reduce(0) { $0 + pow(abs($1) - 1, 2) } / Double(rows)
      }
      return 0.3 * commitment + 0.2 * (sure - 0.7 * entropy(mean))
    }
    let found = lfq(z, commitmentWeight: 0.3, entropyWeight: 0.2)
    let exact = z.map(Double.init)
    #expect(abs(Double(found.results["auxiliary"]![0]) - loss(exact)) < 1e-5)
    let slopes = exact.indices.map { i -> Float in
      var (above, below) = (exact, exact)
      above[i] += 1e-5
      below[i] -= 1e-5
      return Float((loss(above) - loss(below)) / 2e-5)
    }
    let expected = zip(slopes, upstream).map { $0 + $1 }
    #expect(largestDifference(found.results["dz"]!, expected) < 1e-5)
    // In groups: no less, as groups count as independent.
    let grouped = lfq(z, entropyWeight: 0.2, entropyGroup: 2).results["entropyOfMean"]![0]
    #expect(grouped > found.results["entropyOfMean"]![0])
  }

  /// Codes of length 1, the nearest of all corners to the vector's direction.
  @Test func sphericalCodesAreTheNearestCorners() {
    let found = bsq(z).results
    let corner = 1 / Float(bits).squareRoot()
    for index in 0..<rows {
      let x = row(z, index)
      let cosines = (0..<(1 << bits)).map { code in
        x.indices.reduce(0.0) { $0 + x[$1] * (code >> $1 & 1 == 1 ? 1 : -1) }
      }
      #expect(found["tokens"]![index] == Float(cosines.firstIndex(of: cosines.max()!)!))
    }
    #expect(found["codes"] == z.map { $0 > 0 ? corner : -corner })
    #expect(found["decoded"] == found["codes"])
    let directions = (0..<rows).flatMap { index -> [Double] in
      let x = row(z, index)
      return x.map { $0 / length(x) }
    }
    #expect(largestDifference(found["vectors"]!, directions.map(Float.init)) < 1e-6)
  }

  /// The gradient at the code goes through the normalization; the commitment is between directions.
  @Test func sphericalGradients() {
    let found = bsq(z, commitmentWeight: 0.25).results
    let corner = 1 / Double(bits).squareRoot()
    var (error, dz) = (0.0, [Float]())
    for index in 0..<rows {
      let x = row(z, index)
      let u = x.map { $0 / length(x) }
      let difference = u.map { $0 - ($0 > 0 ? corner : -corner) }
      error += difference.reduce(0) { $0 + $1 * $1 } / Double(rows)
      let g = zip(row(upstream, index), difference).map { $0 + 0.5 / Double(rows) * $1 }
      let along = zip(g, u).reduce(0) { $0 + $1.0 * $1.1 }
      dz += zip(g, u).map { Float(($0 - along * $1) / length(x)) }
    }
    #expect(abs(Double(found["quantizationError"]![0]) - error) < 1e-6)
    #expect(abs(Double(found["auxiliary"]![0]) - 0.25 * error) < 1e-6)
    #expect(largestDifference(found["dz"]!, dz) < 2e-6)
  }

  @Test func aVectorWithoutLengthHasATokenAndNoGradient() {
    var vectors = z
    vectors.replaceSubrange(0..<bits, with: [Float](repeating: 0, count: bits))
    let found = bsq(vectors, commitmentWeight: 0.25, entropyWeight: 0.1).results
    #expect(found["tokens"]![0] == 0)
    #expect(found["dz"]![..<bits].allSatisfy { $0 == 0 })
    #expect(found["dz"]!.allSatisfy { $0.isFinite })
  }

  /// 2^18 codes, 16,384 vectors: nothing in the plan is as long as the codebook, but for the vectors.
  @Test func noTableOfCodesIsMade() {
    let (bits, side) = (18, 128)
    let graph = Graph()
    let configuration = BinarySphericalConfiguration(bits: bits)
    #expect(configuration.codebookSize == 1 << 18)
    let quantizer = BinarySphericalQuantizer(configuration)
    let quantized = quantizer.quantize(graph.input("z", [1, side, side, bits]))
    graph.differentiate(quantized.codes.sum() + quantized.auxiliaryLoss!)
    let backend = CPUBackend()
    let plan = Plan(
      graph, outputs: ["tokens": quantized.indices, "loss": quantized.auxiliaryLoss!], on: backend)
    for instruction in plan.instructions {
      let operands = instruction.outputs + [instruction.workspace].compactMap { $0 }
      for operand in operands where operand.shape.rank < 4 {
        #expect(operand.shape.count <= side * side, "\(instruction.operation.name)")
      }
    }
  }
}
