import Diagnostics
import Foundation

/// The summary in one paragraph: the winner, its margin and cost, problems.
struct Headline {
  let comparison: Comparison
  let runs: [PageRun]

  var words: String {
    guard !runs.isEmpty else { return "No run could be evaluated." }
    var sentences: [String] = []
    if let winner { sentences.append(winner) }
    for (mark, title) in [(Judgement.Mark.bad, "codebook collapse"), (.bad, "embedding collapse")] {
      let those = runs.filter { $0.judgement.mark == mark && $0.judgement.title == title }
      if !those.isEmpty {
        sentences.append("\(those.names) \(those.count > 1 ? "show" : "shows") \(title).")
      }
    }
    let improving = runs.filter { $0.judgement.title == "still improving" }
    if !improving.isEmpty {
      sentences.append(
        "\(improving.count == runs.count && runs.count > 1 ? all : improving.names) "
          + "\(improving.count > 1 ? "are" : "is") still improving.")
    }
    let early = runs.filter { $0.judgement.title == "too early to judge" }
    if !early.isEmpty {
      sentences.append("It is too early to judge \(early.names).")
    }
    if runs.allSatisfy({ $0.judgement.mark == .good }) {
      sentences.append(runs.count > 1 ? "All runs are healthy." : "The run is healthy.")
    }
    if runs.allSatisfy({ $0.run == nil }) {
      sentences.append("There were no images to evaluate on; the numbers are from the runs' logs.")
    }
    let failed = comparison.entries.count - runs.count
    if failed > 0 { sentences.append("\(failed) could not be evaluated.") }
    return sentences.joined(separator: " ")
  }

  private var all: String { runs.count == 2 ? "Both" : "All" }

  /// "vq +0.70 dB over fsq at the same bits".
  private var winner: String? {
    let measured = runs.filter { $0.run != nil }
    guard let first = measured.first?.run else { return nil }
    guard measured.count > 1 else {
      return "\(measured[0].name) has \(NumberText.decimals(first.psnr, 2)) dB PSNR at "
        + "\(NumberText.decimals(first.bitsPerPixel, 3)) bits/pixel."
    }
    guard Set(measured.compactMap { $0.run?.imageSize }).count == 1 else {
      return "The runs differ in image size, so that their PSNR is not comparable."
    }
    let order = measured.sorted { $0.run!.psnr > $1.run!.psnr }
    let (best, next) = (order[0], order[1])
    let (a, b) = (best.run!, next.run!)
    let margin = a.psnr - b.psnr
    guard margin >= 0.005 else {
      return "\(best.name) and \(next.name) are equal at \(NumberText.decimals(a.psnr, 2)) dB PSNR."
    }
    return
      "\(best.name) +\(NumberText.decimals(margin, 2)) dB over \(next.name) \(cost(best, next))."
  }

  /// The winner's cost relative to the other: bits and training time.
  private func cost(_ a: PageRun, _ b: PageRun) -> String {
    let (own, other) = (a.run!.bitsPerPixel, b.run!.bitsPerPixel)
    let ratio = other > 0 ? own / other : 1
    var words =
      abs(ratio - 1) < 0.02
      ? "at the same bits"
      : "at \(NumberText.decimals(ratio, 2)) times the bits (\(NumberText.decimals(own, 3)) against "
        + "\(NumberText.decimals(other, 3)) bits/pixel)"
    if let time = a.facts.seconds, let rest = b.facts.seconds, rest > 0,
      time / rest > 1.5 || time / rest < 1 / 1.5
    {
      words += ", in \(NumberText.decimals(time / rest, 1)) times the training time"
    }
    return words
  }
}
