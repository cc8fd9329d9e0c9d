package store_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

func TestNothingOfARowIsUsedBeforeItsErrorIsChecked(t *testing.T) {
	for _, report := range readSource(t).unchecked() {
		t.Error(report)
	}
}

// This tests the check itself with code that breaks the rule.
func TestAnUncheckedScanIsReported(t *testing.T) {
	const head = "package store\nimport \"database/sql\"\ntype scanner interface{ Scan(...any) error }\n" +
		"func scanKey(row scanner) (k *int, err error) { return k, row.Scan(&k) }\n"
	for _, c := range []struct {
		body     string
		reported bool
	}{
		{"err := row.Scan(&id)\nall[id]++\nreturn err", true},
		{"k, err := scanKey(row)\n*k = 1\nreturn err", true},
		{"err = row.Scan(&id)\nif err == sql.ErrNoRows { return nil }\nall[id]++\nreturn err", true},
		{"row.Scan(&id)\nreturn nil", true},
		{"_ = row.Scan(&id)\nreturn nil", true},
		{"if err := row.Scan(&id); err != nil { return err }\nall[id]++\nreturn nil", false},
		{"err = row.Scan(&id)\nif err != nil { return err }\nall[id]++\nreturn nil", false},
		{"err = row.Scan(&id)\nif err == sql.ErrNoRows { return nil }\nif err != nil { return err " +
			"}\nall[id]++\nreturn nil", false},
		{"err = row.Scan(&id)\nif err == sql.ErrNoRows { err = nil }\nreturn err", false},
		{"k, err := scanKey(row)\nif err == nil { *k = 1 }\nreturn err", false},
		{"return row.Scan(&id)", false},
		{"if all != nil { err = row.Scan(&id) }\nif err != nil { return err }\nall[id]++\nreturn nil", false},
		{"if all != nil { err = row.Scan(&id) }\nall[id]++\nreturn err", true},
		{"for range all { err = row.Scan(&id) }\nall[id]++\nreturn err", true},
	} {
		text := head + "func f(row *sql.Rows, all map[string]int) (err error) {\nvar id string\n" + c.body + "\n}"
		got := check(t, map[string]string{"made.go": text}).unchecked()
		if reported := len(got) > 0; reported != c.reported {
			t.Errorf("%s\n\tis reported as %q", c.body, got)
		}
	}
}

// unchecked reports statements that use scanned values before the error of the scan was checked.
// Such a scan fails in the middle of a list when the caller leaves, and its values are then empty.
func (s *source) unchecked() (reports []string) {
	for _, file := range s.files {
		for n := range ast.Preorder(file) {
			switch n := n.(type) {
			case *ast.FuncDecl:
				reports = append(reports, s.uncheckedIn(n.Body.List, nil)...)
			case *ast.FuncLit:
				reports = append(reports, s.uncheckedIn(n.Body.List, nil)...)
			}
		}
	}
	return reports
}

// uncheckedIn examines the statements of a block and of the blocks in it. after are the statements
// that run after the block.
func (s *source) uncheckedIn(statements, after []ast.Stmt) (reports []string) {
	for i, statement := range statements {
		next := slices.Concat(statements[i+1:], after)
		switch statement := statement.(type) {
		case *ast.ExprStmt:
			if s.scans(statement.X) {
				reports = append(reports, s.at(statement)+": the error of a scan is dropped")
			}
		case *ast.AssignStmt:
			if len(statement.Rhs) == 1 && s.scans(statement.Rhs[0]) && !checkedNext(errorOf(statement), next) {
				reports = append(reports, s.at(statement)+": the error of this scan is not checked before what follows")
			}
		}
		for _, block := range blocksOf(statement) {
			reports = append(reports, s.uncheckedIn(block, next)...)
		}
	}
	return reports
}

// blocksOf returns the blocks directly inside a statement.
func blocksOf(statement ast.Stmt) (blocks [][]ast.Stmt) {
	switch statement := statement.(type) {
	case *ast.BlockStmt:
		blocks = append(blocks, statement.List)
	case *ast.IfStmt:
		blocks = append(blocks, statement.Body.List)
		if statement.Else != nil {
			blocks = append(blocks, []ast.Stmt{statement.Else})
		}
	case *ast.ForStmt:
		blocks = append(blocks, statement.Body.List)
	case *ast.RangeStmt:
		blocks = append(blocks, statement.Body.List)
	case *ast.SwitchStmt:
		blocks = append(blocks, statement.Body.List)
	case *ast.TypeSwitchStmt:
		blocks = append(blocks, statement.Body.List)
	case *ast.SelectStmt:
		blocks = append(blocks, statement.Body.List)
	case *ast.CaseClause:
		blocks = append(blocks, statement.Body)
	case *ast.CommClause:
		blocks = append(blocks, statement.Body)
	case *ast.LabeledStmt:
		blocks = append(blocks, []ast.Stmt{statement.Stmt})
	}
	return blocks
}

// scans reports whether the expression is a call that reads a row: Scan, or a function that gets
// the row.
func (s *source) scans(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Scan" {
		return true
	}
	return slices.ContainsFunc(call.Args, func(arg ast.Expr) bool {
		t := s.info.TypeOf(arg)
		return t != nil && (types.TypeString(t, nil) == "*database/sql.Rows" ||
			strings.HasSuffix(types.TypeString(t, nil), ".scanner"))
	})
}

// errorOf returns the name that the last result of a call is assigned to.
func errorOf(a *ast.AssignStmt) string {
	name, _ := a.Lhs[len(a.Lhs)-1].(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}

// checkedNext reports whether the error is checked or returned before any other statement.
func checkedNext(err string, next []ast.Stmt) bool {
	if err == "" || err == "_" {
		return false
	}
	for _, statement := range next {
		switch statement := statement.(type) {
		case *ast.ReturnStmt:
			return true
		case *ast.IfStmt:
			switch compared, asked := comparison(statement.Cond, err); {
			case compared:
				return true
			case !asked:
				return false
			}
		default:
			return false
		}
	}
	return false
}

// comparison reports whether a condition compares the error with nil, and whether it uses the error
// at all.
func comparison(condition ast.Expr, err string) (compared, asked bool) {
	for n := range ast.Preorder(condition) {
		switch n := n.(type) {
		case *ast.Ident:
			asked = asked || n.Name == err
		case *ast.BinaryExpr:
			left, _ := n.X.(*ast.Ident)
			right, _ := n.Y.(*ast.Ident)
			if left != nil && right != nil && left.Name == err && right.Name == "nil" && (n.Op == token.NEQ ||
				n.Op == token.EQL) {
				compared = true
			}
		}
	}
	return compared, asked
}
