import FileTestSupport
import Foundation
import Tessera
import Testing

/// A prior without tokens through the library.
struct ContinuousPriorTests {
  private let prior: ContinuousPrior
  private let solver: String

  /// Trained once, by the commands, on images.
  private static let trained = Result { () throws -> (prior: String, solver: String) in
    let (tokenizer, scenes) = (try Trained.fsq.get(), try Trained.scenes.get())
    let parent = URL(fileURLWithPath: tokenizer).deletingLastPathComponent().path
    let (prior, solver) = (parent + "/continuous", parent + "/amed")
    for arguments in [
      [
        "train", "continuous", "--data", scenes + "/train", "--output", prior, "--steps", "3",
        "--set", "training.batchSize=2", "--set", "model.width=32", "--set", "model.layers=1",
        "--set", "model.head.width=16", "--set", "data.imageSize=16",
      ],
      [
        "train", "solver", "--from", prior, "--output", solver, "--steps", "2", "--set",
        "training.batchSize=2", "--set", "solver.steps=2",
      ],
    ] {
      let outcome = try CommandRunner.run("tessera", arguments + ["--quiet"])
      guard outcome.code == 0 else { throw Failed(outcome: outcome) }
    }
    return (prior, solver)
  }

  private struct Failed: Error { let outcome: CommandRunner.Outcome }

  init() throws {
    let folders = try Self.trained.get()
    prior = try ContinuousPrior(checkpoint: folders.prior)
    solver = folders.solver
  }

  @Test func imagesAreDrawnByAnySolver() throws {
    #expect((prior.height, prior.width, prior.channels) == (16, 16, 3))
    #expect(prior.autoencoderFingerprint == nil)
    for choice in [
      ContinuousPrior.SolverChoice.euler(steps: 1), .heun(steps: 2), .midpoint(steps: 2),
      .dpm2(steps: 3), .learned(solver),
    ] {
      let images = try prior.sample(3, by: choice, seed: 4)
      #expect(images.count == 3 && images.allSatisfy { $0.width == 16 && $0.height == 16 })
      #expect(try prior.sample(2, by: choice, seed: 4) == Array(images[..<2]))
    }
    #expect(try prior.sample(0).isEmpty)
    let numbers = try prior.latents(1, by: .heun(steps: 2), seed: 4)[0]
    let image = try prior.sample(1, by: .heun(steps: 2), seed: 4)[0]
    #expect(zip(numbers, image.pixels).allSatisfy { abs(max(0, min(255, $0)) - Float($1)) <= 0.5 })
  }

  @Test func nonsenseIsRefused() throws {
    func expect(_ kind: TesseraError.Kind, _ words: String, _ work: () throws -> Void) {
      do {
        try work()
        Issue.record("expected an error with \(words)")
      } catch let error as TesseraError {
        #expect(error.kind == kind && error.description.contains(words), "\(error)")
      } catch { Issue.record(error) }
    }
    expect(.argument, "steps") { _ = try prior.sample(by: .heun(steps: 1)) }
    expect(.argument, "guidance") { _ = try prior.sample(guidance: 2) }
    expect(.argument, "class") { _ = try prior.sample(ofClass: "nobody") }
    expect(.argument, "count") { _ = try prior.sample(-1) }
    expect(.notFound, "nowhere") { _ = try prior.sample(by: .learned("nowhere")) }
    expect(.notFound, "nowhere") { _ = try ContinuousPrior(checkpoint: "nowhere") }
    expect(.badFile, "solver") { _ = try ContinuousPrior(checkpoint: solver) }
  }
}
