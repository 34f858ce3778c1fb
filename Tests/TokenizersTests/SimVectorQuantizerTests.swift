import Autodiff
import CPUBackend
import Execution
import TestSupport
import Testing
import Tokenizers

/// Codes that are one map of a frozen codebook, against their definition in double precision.
struct SimVectorQuantizerTests {
  private let codes = 11
  private let rows = 9
  private let d = 3
  private var codebook: [Float] { HashedNumbers.values("book", count: codes * d, amplitude: 2) }
  /// W as a checkpoint holds it, `[out, in]`.
  private var map: [Float] { HashedNumbers.values("map", count: d * d) }
  private var z: [Float] { HashedNumbers.values("z", count: rows * d, amplitude: 2) }
  private var upstream: [Float] { HashedNumbers.values("g", count: rows * d) }

  private func run(
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 1
  ) -> QuantizerRun {
    QuantizerRun(
      z, dimension: d, upstream: upstream,
      parameters: ["embedding.weight": codebook, "embedding_proj.weight": map]
    ) {
      SimVectorQuantizer(
        SimVQConfiguration(
          codebookSize: codes, codeDimension: d, gradient: gradient,
          codebookWeight: codebookWeight, commitmentWeight: 0.25),
        in: $0)
    }
  }

  private func row(_ x: [Float], _ index: Int) -> [Double] {
    x[(index * d)..<((index + 1) * d)].map(Double.init)
  }
  private func mapped(_ c: [Double]) -> [Double] {
    (0..<d).map { out in zip(row(map, out), c).reduce(0) { $0 + $1.0 * $1.1 } }
  }
  private func square(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  }

  @Test func codesAreTheMappedCodebook() {
    let found = run().results
    for index in 0..<rows {
      let distances = (0..<codes).map { square(row(z, index), mapped(row(codebook, $0))) }
      let best = distances.firstIndex(of: distances.min()!)!
      #expect(found["tokens"]![index] == Float(best))
      let code = mapped(row(codebook, best)).map(Float.init)
      #expect(
        largestDifference(Array(found["codes"]![(index * d)..<((index + 1) * d)]), code) < 1e-6)
    }
    #expect(Set(found["tokens"]!).count > 2)
    #expect(found["decoded"] == found["codes"], "to the last bit")
  }

  /// dW = sum over tokens of 2 / n (q - z) c^T; the codebook itself gets nothing.
  @Test func theMapLearnsAndTheCodebookDoesNot() {
    let found = run()
    var (dMap, dz) = ([Double](repeating: 0, count: d * d), [Float]())
    for index in 0..<rows {
      let (x, c) = (row(z, index), row(codebook, Int(found.results["tokens"]![index])))
      let difference = zip(mapped(c), x).map { $0 - $1 }
      for out in 0..<d {
        for place in 0..<d {
          dMap[out * d + place] += 2 / Double(rows) * difference[out] * c[place]
        }
      }
      dz += zip(row(upstream, index), difference).map { Float($0 - 2 * 0.25 / Double(rows) * $1) }
    }
    #expect(
      largestDifference(found.gradients["embedding_proj.weight"]!, dMap.map(Float.init)) < 2e-6)
    #expect(largestDifference(found.results["dz"]!, dz) < 2e-6)
    #expect(found.gradients["embedding.weight"]!.allSatisfy { $0 == 0 })
  }

  /// With DiVeQ the map learns from the decoder: the parts add up to the upstream gradient.
  @Test func diveqTrainsTheMapFromTheDecoder() {
    let graph = Graph()
    let quantizer = SimVectorQuantizer(
      SimVQConfiguration(
        codebookSize: codes, codeDimension: d, gradient: .diveq, codebookWeight: 0,
        commitmentWeight: 0),
      in: Scope(graph))
    let vectors = graph.input("z", [rows, d])
    let codes = quantizer.quantize(vectors).codes
    let dz = graph.differentiate(
      (codes * graph.input("g", [rows, d])).sum(), withRespectTo: [vectors])[0]
    let run = GraphRun(graph, outputs: ["dz": dz, "tokens": quantizer.quantize(vectors).indices])
    run.set("embedding.weight", codebook)
    run.set("embedding_proj.weight", map)
    let results = run.run(["z": z, "g": upstream])
    var dMap = [Double](repeating: 0, count: d * d)
    for index in 0..<rows {
      let c = row(codebook, Int(results["tokens"]![index]))
      let rest = zip(row(upstream, index), row(results["dz"]!, index)).map { $0 - $1 }
      for out in 0..<d {
        for place in 0..<d { dMap[out * d + place] += rest[out] * c[place] }
      }
    }
    let found = run.gradients()["embedding_proj.weight"]!
    #expect(largestDifference(found, dMap.map(Float.init)) < 5e-6)
    #expect(found.contains { abs($0) > 0.01 })
  }

  /// All codes are mapped once an update; a micro-batch maps its own tokens alone.
  @Test func allCodesAreMappedOnceAnUpdate() {
    let graph = Graph()
    let codes = 4096
    let quantizer = SimVectorQuantizer(
      SimVQConfiguration(codebookSize: codes, codeDimension: 8), in: Scope(graph))
    let quantized = quantizer.quantize(graph.input("z", [1, 2, 5, 8]))
    graph.differentiate(quantized.codes.sum() + quantized.auxiliaryLoss!)
    let backend = CPUBackend()
    let plan = Plan(graph, outputs: ["tokens": quantized.indices], on: backend)
    #expect(
      Set(plan.preparation.map(\.operation.name)) == ["convolution", "squared norms"])
    for instruction in plan.instructions {
      #expect(instruction.outputs.allSatisfy { $0.shape.count < codes })
    }
    #expect(!plan.instructions.contains { $0.operation.name == "scatter addition" })
  }
}
