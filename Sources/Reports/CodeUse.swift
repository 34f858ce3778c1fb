extension RunHistory {
  /// Used codes of a window over what a code drawn uniformly would show with as many tokens.
  ///
  /// Evaluations replace the windows of training where a log has none.
  var uniformUsage: Series {
    let windows = against(
      .codes,
      share: self[.codes, "usedCodes"].joined(self[.codes, "codes"]) {
        $1 > 0 ? $0 / $1 : .nan
      })
    return windows.isEmpty ? against(.evaluation, share: self[.evaluation, "usage"]) : windows
  }

  /// Whether the log has windows of training.
  var hasWindows: Bool { !self[.codes, "usedCodes"].isEmpty }

  private func against(_ kind: Kind, share: Series) -> Series {
    share.joined(self[kind, "expectedUniformUsage"]) { $1 > 0 ? $0 / $1 : .nan }
  }
}
